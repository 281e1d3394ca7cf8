"""Pages of a run's figures by this and that, its answers one by one, and every table and chart as a file."""

import functools
import uuid
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app import geography
from app.accounts.access import Researcher
from app.accounts.models import Role
from app.campaigns.models import Campaign
from app.errors import Conflict, NotFound
from app.evaluation.pages import exchanges, views
from app.evaluation.pages.exchanges import Filters
from app.evaluation.pages.routes import tabs_of
from app.evaluation.scoring import OVER, document_of
from app.evaluation.watching import ShownRun, show_run
from app.items.models import Subtask
from app.judgments.cards import image_url
from app.releases.models import Release
from app.storage import Storage
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import Chart, inline
from app.web.figures.tables import Table
from app.web.render import render, with_query
from app.web.session import SessionDep, StorageDep

router = APIRouter(include_in_schema=False)

SHOWN_CONFUSIONS = 40


class NoFigures(Conflict):
    title = "There are no figures yet"


class Section(NamedTuple):
    """One chart and table of a page; the names are those of their files."""

    heading: str
    words: str
    chart: Chart | None
    table: Table
    table_file: str
    chart_file: str | None


@router.get("/runs/{run_id}/by/{by}", name="evaluation:figures")
def figures(
    request: Request, session: SessionDep, storage: StorageDep, account: Researcher, run_id: uuid.UUID, by: str,
    subtask: str = "",
) -> Response:  # fmt: skip
    if by not in views.GROUPINGS:
        raise NotFound(f"Figures can't be shown by “{by[:40]}”; there are {', '.join(views.GROUPINGS)}.")
    shown, document = _document(session, storage, run_id)
    known = list(document[views.GROUPINGS[by][0]])
    # Countries are many: one subtask at a time. All others fit into one table.
    one = _chosen(known, subtask) if by == "country" else None
    table = views.group_table(document, by, one)
    sections = []
    if table.rows:
        chart = views.group_chart(document, by, one)
        name = f"by_{by}"
        sections.append(Section("", "", chart, table, name, name))
    return _figures(
        request, shown, by, f"By {views.GROUPINGS[by][1].lower()}", sections, known if one else [], one or ""
    )


@router.get("/runs/{run_id}/countries", name="evaluation:confusions")
def confusions(
    request: Request,
    session: SessionDep,
    storage: StorageDep,
    account: Researcher,
    run_id: uuid.UUID,
    subtask: str = "",
) -> Response:
    shown, document = _document(session, storage, run_id)
    known = [name for name, table in document["confusion"].items() if table]
    one = _chosen(known, subtask)
    sections = []
    if one:
        wrong = views.confusion_table(document, one, only_wrong=True)
        note = (
            f"The {SHOWN_CONFUSIONS} most frequent of {len(wrong.rows)}" if len(wrong.rows) > SHOWN_CONFUSIONS else ""
        )
        matrix = Section(
            "Which country was taken for which",
            "A row is a dish’s true country, a column the country that was answered; the darker, the larger the share "
            "of the row. Green is right.",
            views.confusion_chart(document, one),
            wrong._replace(
                rows=[row[1:] for row in wrong.rows[:SHOWN_CONFUSIONS]], columns=wrong.columns[1:], note=note
            ),
            "confusion",
            f"confusion-{one}",
        )
        leaning = views.leaning_table(document, one)
        lean = Section(
            "Where wrong answers lean to",
            "The share of the wrong answers that name a country, beside the share of the items that are from there: "
            "above it, the model leans that way.",
            views.leaning_chart(document, one) if leaning.rows else None,
            leaning._replace(rows=[row[1:] for row in leaning.rows], columns=leaning.columns[1:]),
            "leaning",
            f"leaning-{one}" if leaning.rows else None,
        )
        sections = [matrix, lean]
    return _figures(request, shown, "confusions", "Countries", sections, known, one)


def _figures(
    request: Request,
    shown: ShownRun,
    current: str,
    heading: str,
    sections: list[Section],
    subtasks: list[str],
    one: str,
) -> Response:
    return render(
        request,
        "evaluation/figures.html",
        title=heading,
        heading=heading,
        shown=shown,
        is_over=shown.run.status in OVER,
        tabs=tabs_of(request, shown, current),
        sections=sections,
        subtasks=[(name, f"?subtask={name}", name == one) for name in subtasks],
        nothing="No answer of this run can be placed here: the release does not say, or nothing was asked about it.",
        files=f"/runs/{shown.run.id}/files",
        words=tables,
        draw=inline,
    )


@router.get("/runs/{run_id}/answers", name="evaluation:predictions")
def predictions(
    request: Request, session: SessionDep, storage: StorageDep, account: Researcher, run_id: uuid.UUID,
    outcome: str = "", state: str = "", subtask: str = "", start: int = 0,
) -> Response:  # fmt: skip
    shown = show_run(session, run_id)
    filters = Filters(state, outcome, subtask)
    page = exchanges.page(
        session, shown.run, exchanges.exchanges_of(session, storage, shown.run), filters, min(max(start, 0), 10**9)
    )
    here = str(request.app.url_path_for("evaluation:predictions", run_id=run_id))

    def address(**more: Any) -> str:
        return with_query(here, filters._asdict() | more)

    return render(
        request,
        "evaluation/predictions.html",
        title="Answers",
        shown=shown,
        tabs=tabs_of(request, shown, "answers"),
        page=page,
        filters=filters,
        first=address(),
        next=address(start=page.next) if page.next is not None else None,
        is_first=start <= 0,
        outcomes=[(key, words) for key, (words, _) in exchanges.OUTCOMES.items()],
        states=list(views.STATE_WORDS.items()),
        state_words=views.STATE_WORDS,
        subtask_choices=[(subtask.value, subtask.value) for subtask in Subtask],
        item_address=_item_address(request, session, shown.release) if account.role is Role.ADMIN else None,
        max_text=exchanges.MAX_SHOWN_TEXT,
        country_name=geography.name_of,
        image_url=image_url,
    )


def _item_address(request: Request, session: Session, release: Release) -> Any:
    """All that is known about an item is on a page for admins alone."""
    slug = session.get_one(Campaign, release.campaign_id).slug
    return lambda item: str(request.app.url_path_for("adjudication:item", slug=slug, item_id=item.item_id))


@router.get("/runs/{run_id}/files/{name}", name="evaluation:file")
def file(session: SessionDep, storage: StorageDep, account: Researcher, run_id: uuid.UUID, name: str) -> Response:
    """A table as .csv or .tex, a chart as .svg or .png; each holds the hash of the run's spec."""
    shown, document = _document(session, storage, run_id)
    every_table = {key: functools.partial(make, document) for key, make in views.TABLES.items()}
    every_chart = dict(views.run_charts(document))
    return figure_file(name, every_table, every_chart, shown.run.spec_sha256 or "", f"run-{str(run_id)[:8]}")


def _document(session: Session, storage: Storage, run_id: uuid.UUID) -> tuple[ShownRun, dict[str, Any]]:
    """Raises UnknownRun, and NoFigures while there is nothing to make them of."""
    shown = show_run(session, run_id)
    if not shown.progress.done:
        raise NoFigures("No question of this run is answered yet, so there are no figures.")
    return shown, document_of(session, storage, shown.run)


def _chosen(known: list[str], subtask: str) -> str:
    if subtask and subtask not in known:
        raise NotFound(f"This run has no figures of “{subtask[:16]}”.")
    return subtask or (known[0] if known else "")
