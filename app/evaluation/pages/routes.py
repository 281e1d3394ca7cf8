"""Pages of runs: the list with the form that starts one, a run's own page, and the buttons that steer it."""

import json
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlmodel import Session
from starlette.responses import Response

from app import geography, jobs
from app.accounts.access import Researcher
from app.errors import TerroirError
from app.evaluation import runs
from app.evaluation.ledger import spent
from app.evaluation.pages import exchanges, forms, views
from app.evaluation.pages.forms import Typed
from app.evaluation.pages.listing import run_page
from app.evaluation.pages.starting import offers, start_wanted
from app.evaluation.scoring import OVER, document_of
from app.evaluation.watching import ShownRun, show_run
from app.judgments.cards import image_url
from app.releases import service as releases
from app.settings import Settings
from app.web.figures import tables
from app.web.figures.svg import inline
from app.web.forms import PostedForm
from app.web.render import redirect, render, with_query
from app.web.session import SessionDep, SettingsDep, StorageDep

router = APIRouter(include_in_schema=False)

EXAMPLES = 6
LOOKS = {
    "finished": "done", "incomplete": "unsure", "cancelled": "pending", "paused": "pending", "running": "running",
}  # fmt: skip
"""The badge of a status; those that are not here have their own."""


@router.get("/runs", name="evaluation:runs")
def index(
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    account: Researcher,
    release: str = "",
    cursor: str = "",
) -> Response:
    return _index(request, session, settings, release, cursor, Typed(version=release))


def _index(
    request: Request,
    session: Session,
    settings: Settings,
    release: str,
    cursor: str,
    typed: Typed,
    error: TerroirError | None = None,
) -> Response:
    page = run_page(session, release, cursor)
    published = [shown.release.version for shown in releases.list_releases(session) if shown.is_published]
    models = offers(settings)
    here = str(request.app.url_path_for("evaluation:runs"))

    def address(**parameters: str) -> str:
        return with_query(here, parameters)

    return render(
        request,
        "evaluation/index.html",
        part="evaluation/_runs.html",
        status=error.status if error else 200,
        title="Runs",
        shown=page.runs,
        here=address(release=release, cursor=cursor),
        first=address(release=release),
        next=address(release=release, cursor=page.next_cursor) if page.next_cursor else None,
        is_first=not cursor,
        release=release,
        releases=[(version, version) for version in published],
        headlines=exchanges.headlines(session, [one.run.id for one in page.runs]),
        may_compare=sum(one.status in OVER for one in page.runs) > 1,
        has_worker=jobs.worker_is_alive(session),
        models=[(one.name, one.name if one.reason is None else f"{one.name} (not on this machine)") for one in models],
        elsewhere=[one for one in models if one.reason is not None],
        strategies=forms.STRATEGIES,
        subtask_words=views.SUBTASKS,
        more_is_open=bool(error and forms.MORE_FIELDS & error.fields.keys()) or typed.is_tuned,
        typed=typed,
        error=error,
        errors=error.fields if error else {},
        looks=LOOKS,
        time_left=time_left,
    )


@router.post("/runs", name="evaluation:start")
def start(
    request: Request, session: SessionDep, settings: SettingsDep, account: Researcher, form: PostedForm
) -> Response:
    typed = forms.typed(form)
    try:
        run = start_wanted(session, settings, forms.wanted(typed), account)
    except TerroirError as error:
        return _index(request, session, settings, "", "", typed, error)
    return redirect(request, "evaluation:run", run_id=run.id, flash=("done", f"“{run.model[:80]}” is in the queue."))


@router.get("/runs/{run_id}", name="evaluation:run")
def run(
    request: Request,
    session: SessionDep,
    storage: StorageDep,
    account: Researcher,
    run_id: uuid.UUID,
    figures: str = "",
) -> Response:
    """With `figures=now` also those of a run that is not over."""
    shown = show_run(session, run_id)
    is_over = shown.run.status in OVER
    has_figures = shown.progress.done > 0 and (is_over or (figures == "now" and not shown.is_coming))
    overview = _overview(session, storage, shown) if has_figures else {"document": None}
    return render(
        request,
        "evaluation/run.html",
        part="evaluation/_run.html",
        title=shown.run.model,
        shown=shown,
        is_over=is_over,
        may_peek=shown.progress.done > 0 and not shown.is_coming,
        headline=exchanges.headlines(session, [run_id]).get(run_id),
        spent=spent(session, run_id),
        has_worker=jobs.worker_is_alive(session),
        subset_words=forms.subset_words(shown.run.subset),
        max_priority=runs.MAX_PRIORITY,
        tabs=tabs_of(request, shown, "overview") if shown.progress.done and not shown.is_coming else [],
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True),
        looks=LOOKS,
        time_left=time_left,
        **overview,
    )


def _overview(session: Session, storage: Any, shown: ShownRun) -> dict[str, Any]:
    document = document_of(session, storage, shown.run)
    found = exchanges.exchanges_of(session, storage, shown.run)
    second = document.get("slot2")
    turned = exchanges.turned_examples(found)
    return {
        "document": document,
        "tables": {name: views.TABLES[name](document) for name in ("subtasks", "rules", "states")},
        "second": views.subtask_table(second)._replace(title="The right food of two") if second else None,
        "charts": {
            "accuracy": views.accuracy_chart(document),
            "retention": views.retention_chart(document),
            "rules": views.rules_chart(document),
        },
        "interval_words": views.interval_words(document),
        "examples": turned[:EXAMPLES],
        "n_turned": len(turned),
        "country_name": geography.name_of,
        "image_url": image_url,
        "files": f"/runs/{shown.run.id}/files",
        "words": tables,
        "draw": inline,
    }


def tabs_of(request: Request, shown: ShownRun, current: str) -> list[tuple[str, str, bool]]:
    """A run's pages: label, address, whether it is this one."""
    url, run_id = request.app.url_path_for, shown.run.id
    return [
        ("Overview", str(url("evaluation:run", run_id=run_id)), current == "overview"),
        *(
            (f"By {heading.lower()}", str(url("evaluation:figures", run_id=run_id, by=by)), current == by)
            for by, (_, heading) in views.GROUPINGS.items()
        ),
        ("Countries", str(url("evaluation:confusions", run_id=run_id)), current == "confusions"),
        ("Answers", str(url("evaluation:predictions", run_id=run_id)), current == "answers"),
    ]


@router.post("/runs/{run_id}/pause", name="evaluation:pause")
def pause(request: Request, session: SessionDep, account: Researcher, run_id: uuid.UUID) -> Response:
    runs.pause(session, run_id, account)
    return _back(request, run_id, "It pauses after the chunk at hand; every answer is kept.")


@router.post("/runs/{run_id}/resume", name="evaluation:resume")
def resume(
    request: Request,
    session: SessionDep,
    account: Researcher,
    run_id: uuid.UUID,
    budget_usd: Annotated[float | None, Form()] = None,
) -> Response:
    runs.resume(session, run_id, account, budget_usd=budget_usd)
    return _back(request, run_id, "It is in the queue again and asks only what has no answer yet.")


@router.post("/runs/{run_id}/cancel", name="evaluation:cancel")
def cancel(request: Request, session: SessionDep, account: Researcher, run_id: uuid.UUID) -> Response:
    runs.cancel(session, run_id, account)
    return _back(request, run_id, "It is cancelled; the answers it has stay.")


@router.post("/runs/{run_id}/priority", name="evaluation:priority")
def priority(
    request: Request, session: SessionDep, account: Researcher, run_id: uuid.UUID, priority: Annotated[int, Form()] = 0
) -> Response:
    runs.set_priority(session, run_id, priority, account)
    return _back(request, run_id, f"Its priority is {priority} now.")


def _back(request: Request, run_id: uuid.UUID, words: str) -> Response:
    return redirect(request, "evaluation:run", run_id=run_id, flash=("done", words))


def time_left(seconds: float | None) -> str:
    """
    >>> time_left(40), time_left(600), time_left(7260), time_left(None)
    ('less than a minute left', 'about 10 min left', 'about 2 h left', 'time left not known yet')
    """
    if seconds is None:
        return "time left not known yet"
    if seconds < 60:
        return "less than a minute left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.0f} h left" if seconds < 172_800 else f"about {seconds / 86_400:.0f} days left"
