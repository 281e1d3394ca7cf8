"""The demo's evaluation: a release of the demo's images, and a real classifier's answers about it.

The release is approved by simulated annotators, and says so everywhere. The answers were made by the classifier on
another machine and are imported, as anybody's would be; `--evaluate` makes them here instead, which needs torch.
"""

import random
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.accounts import service as accounts
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.claims import service as claims
from app.cli.common import progress_bar, say
from app.db import transaction
from app.errors import Invalid
from app.evaluation import registry
from app.evaluation.interchange.importing import import_predictions
from app.evaluation.plan import MAX_TOKENS
from app.evaluation.prompts import Strategy
from app.evaluation.reading import release_files
from app.evaluation.scoring import document_of
from app.evaluation.service import evaluate
from app.items.importing import import_items
from app.items.models import Item, Subtask
from app.judgments.service import Answers, question_keys, submit
from app.releases.models import Release
from app.releases.publish import build_now
from app.settings import ROOT, Settings
from app.storage import storage_for

FOLDER = ROOT / "demo" / "evaluation"
SLUG = "evaluation-demo"
VERSION = "0.1.0"
MODEL = "efficientnet-lite0"
ANSWERS = FOLDER / "classifier.parquet"
PEOPLE = 3
DOUBT = 0.04
"""How often a simulated annotator is unsure, so that some items are contested, yet approved."""


def load(engine: sa.Engine, settings: Settings) -> None:
    """The release, and the exported answers about it."""
    storage = storage_for(settings)
    with progress_bar("Images to evaluate on") as advance, transaction(engine) as session:
        folders = [ROOT / "demo" / "culturemix", FOLDER / "photographs"]
        import_items(session, storage, folders, SLUG, progress=advance)
    with progress_bar("Simulated judgments") as advance:
        _approve(engine, advance)
    release = build_now(engine, settings, storage, SLUG, VERSION, splits={"test": 1.0}, allow_simulated=True)
    with transaction(engine) as session:
        report = import_predictions(session, storage, release, ANSWERS)
        if report.run is None:
            raise Invalid(f"{ANSWERS.name} does not fit the demo's release: {report.errors[0].message}")
        document_of(session, storage, report.run)
    say(f"Release {VERSION} has {report.added} imported answers of {MODEL}, a classifier.")


def run_live(engine: sa.Engine, settings: Settings) -> None:
    """The classifier itself, here and now; what it has answered before is not asked again."""
    storage = storage_for(settings)
    with transaction(engine) as session:
        release = session.exec(select(Release).where(Release.version == VERSION)).one()
        files = release_files(storage, release)
    model = registry.load(settings)[MODEL]
    with progress_bar(MODEL) as advance:
        run, asked = evaluate(
            engine, release, files, model.setup(MAX_TOKENS[Strategy.BASE], 0), model=MODEL, prices=model.prices(),
            progress=advance,
        )  # fmt: skip
    say(f"{MODEL} has answered {len(asked)} questions; its run is {run.id}.")


def _approve(engine: sa.Engine, advance: Callable[[int, int], None]) -> None:
    with transaction(engine) as session:
        campaign, policy = campaigns.with_policy(session, SLUG)
        total = (
            PEOPLE
            * session.execute(sa.select(sa.func.count()).where(col(Item.campaign_id) == campaign.id)).scalar_one()
        )
    done = 0
    for number in range(PEOPLE):
        with transaction(engine) as session:
            person = _simulated(session, number)
            while work := claims.claim_next(session, person, campaign, policy, count=10, lease=600).claims:
                for claim in work:
                    item = session.get_one(Item, claim.item_id)
                    # By the item, not by the order in which it came: the same are approved on every machine.
                    draw = random.Random(f"{number} {item.key}")  # noqa: S311  (no secret)
                    submit(session, person, claim.id, _answers(item.subtask, draw))
                    done += 1
                advance(done, total)


def _simulated(session: Session, number: int) -> Account:
    email = f"demo-{number + 1}@simulated.invalid"
    return accounts.find(session, email) or accounts.open_account(
        session, email, Role.ANNOTATOR, name=f"Simulated {number + 1}", is_simulated=True
    )


def _answers(subtask: Subtask, draw: random.Random) -> Answers:
    answers: dict[str, dict[str, Any]] = {
        key: {"answer": "unsure" if draw.random() < DOUBT else "yes", "reasons": [], "correction": None}
        for key in question_keys(subtask)
    }
    return Answers(answers, active_ms=draw.randrange(2000, 9000))
