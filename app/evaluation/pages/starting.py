"""From a registered model's name to a run in the queue. No address ever comes from whoever asks for a run: the registry
and the operator's own file alone say where a model is served."""

from typing import NamedTuple

from sqlmodel import Session

from app.accounts.models import Account
from app.errors import Invalid
from app.evaluation import registry, runs, serving
from app.evaluation.models import Run
from app.evaluation.pages.forms import Wanted
from app.evaluation.plan import MAX_TOKENS
from app.settings import Settings


class Offer(NamedTuple):
    """A model of the registry. `reason` is why this very machine can't serve it, or None; a worker elsewhere may."""

    name: str
    engine: str
    reason: str | None


def offers(settings: Settings) -> list[Offer]:
    """Those that this machine can serve come first."""
    found = []
    for name, model in registry.load(settings).items():
        here = serving.can_serve(model)
        found.append(Offer(name, model.engine, None if here.ok else here.reason))
    return sorted(found, key=lambda offer: offer.reason is not None)


def start_wanted(session: Session, settings: Settings, wanted: Wanted, account: Account) -> Run:
    """Raises Invalid for a model that the registry does not know, and whatever `start_run` raises."""
    model = registry.load(settings).get(wanted.model)
    if model is None:
        raise Invalid(
            f"There is no model “{wanted.model[:80]}” in the registry.",
            fields={"model": "Choose one of the registry; an operator adds others in TERROIR_MODELS_FILE."},
        )
    return runs.start_run(
        session,
        wanted.version,
        model.setup(MAX_TOKENS[wanted.strategy], wanted.seed),
        model=wanted.model,
        strategy=wanted.strategy,
        subset=wanted.subset,
        seed=wanted.seed,
        priority=wanted.priority,
        prices=model.prices(),
        budget_usd=wanted.budget_usd,
        account=account,
    )
