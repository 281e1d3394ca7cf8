"""Subtasks beside one another, and the same dish on white and on a background: see `frame`."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Researcher
from app.adjudication.agreement import background_views as views
from app.adjudication.agreement import words
from app.adjudication.agreement.background_readout import (
    PAIRED,
    REFERENCES,
    REPLICATES,
    SEED,
    Readout,
    Row,
    readout,
    subtasks,
)
from app.adjudication.agreement.frame import Frame, VotesDep, frame
from app.adjudication.agreement.memory import counted, remembered
from app.agreement.contrasts import FEW_DISHES, MEASURES
from app.agreement.report import FEW_FAMILIES
from app.agreement.subtasks import SubtaskFigures
from app.errors import Invalid
from app.judgments.contrasts import judged, models_mark
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import Chart, inline
from app.web.figures.tables import Table
from app.web.render import render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")

ROUTE = "agreement:backgrounds"


class Contents(NamedTuple):
    """All that the page and its files show. `overall` has every question that could be paired."""

    readout: Readout
    overall: list[Readout]
    subtasks: dict[str, dict[str, SubtaskFigures]]


@router.get("/backgrounds", name=ROUTE)
def backgrounds(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep,
    question: str = PAIRED[0], by: str = "scene", figure: str = "unsure",
) -> Response:  # fmt: skip
    shown = frame(request, session, account, slug, votes, ROUTE)
    _check(question, by, figure)
    contents = _contents(session, shown, question)
    every_table, every_chart = _files(contents, by, figure, is_first=votes.basis == "first")
    found = contents.readout
    return render(
        request,
        "adjudication/agreement/backgrounds.html",
        title="Subtasks and backgrounds",
        question=question,
        by=by,
        figure=figure,
        found=found,
        verdicts=views.verdicts(found, is_first=votes.basis == "first"),
        n_tested=sum(bool(row.adjusted) for row in found.groups.get(by, [])),
        is_thin=len(found.dishes) < FEW_FAMILIES,
        few_dishes=FEW_DISHES,
        tables={name: make() for name, make in every_table.items()},
        charts={name: make() for name, make in every_chart.items()},
        links=_links(shown, contents, by, figure),
        questions=[(words.QUESTIONS[key], shown.again(question=key), key == question) for key in PAIRED],
        groupings=[(label, shown.again(by=key) + "#groups", key == by) for key, label in views.GROUPINGS.items()],
        figures=[
            (
                views.measure_words(key, has_model=found.has_model, is_first=votes.basis == "first"),
                shown.again(figure=key) + "#groups",
                key == figure,
            )
            for key in MEASURES
        ],
        files=request.url.path,
        query=request.url.query,
        replicates=REPLICATES,
        seed=SEED,
        words=tables,
        draw=inline,
        **shown.context(),
    )


@router.get("/backgrounds/{name}", name="agreement:background-file")
def file(
    request: Request, session: SessionDep, account: Researcher, slug: str, votes: VotesDep, name: str,
    question: str = PAIRED[0], by: str = "scene", figure: str = "unsure",
) -> Response:  # fmt: skip
    """What the page with this query shows: a table as .csv or .tex, a chart as .svg or .png."""
    shown = frame(request, session, account, slug, votes, ROUTE)
    _check(question, by, figure)
    contents = _contents(session, shown, question)
    every_table, every_chart = _files(contents, by, figure, is_first=votes.basis == "first")
    source = f"{shown.source}; 95 % intervals, of subtasks from {REPLICATES} draws of dishes, seed {SEED}"
    return figure_file(name, every_table, every_chart, source, f"{slug}-agreement", stamp="source")


def _check(question: str, by: str, figure: str) -> None:
    for what, value, choices in (
        ("question", question, PAIRED),
        ("grouping", by, tuple(views.GROUPINGS)),
        ("figure", figure, MEASURES),
    ):
        if value not in choices:
            raise Invalid(f"There is no {what} “{value[:40]}” here; choose one of {', '.join(choices)}.")


def _contents(session: Session, shown: Frame, question: str) -> Contents:
    campaign_id, basis = shown.campaign.id, shown.votes.basis
    version = counted(session, campaign_id)
    mark = models_mark(session, campaign_id)

    def found() -> Any:
        return remembered(version, ("judged", basis, mark), lambda: judged(session, campaign_id, basis))

    def of(key: str) -> Readout:
        return remembered(version, ("backgrounds", basis, mark, key), lambda: readout(found(), key))

    compared = remembered(version, ("subtasks", basis), lambda: subtasks(found()))
    return Contents(of(question), [of(key) for key in PAIRED if of(key).missing is None], compared)


def _files(
    contents: Contents, by: str, figure: str, *, is_first: bool
) -> tuple[dict[str, Callable[[], Table]], dict[str, Callable[[], Chart]]]:
    """The page's tables and charts by the names of their files; of what can't be compared there are none."""
    every_table: dict[str, Callable[[], Table]] = {}
    every_chart: dict[str, Callable[[], Chart]] = {}
    if contents.overall:
        every_table["overall"] = functools.partial(views.overall_table, contents.overall, is_first=is_first)
        every_chart["overall"] = functools.partial(views.overall_chart, contents.overall, is_first=is_first)
    if contents.readout.missing is None:
        every_table[f"by_{by}"] = functools.partial(views.group_table, contents.readout, by, figure, is_first=is_first)
        every_chart[f"by_{by}"] = functools.partial(views.group_chart, contents.readout, by, figure, is_first=is_first)
    if contents.subtasks:
        every_table["subtasks"] = functools.partial(views.subtask_table, contents.subtasks)
    if any(one.differences for parts in contents.subtasks.values() for one in parts.values()):
        every_table["subtask_differences"] = functools.partial(views.difference_table, contents.subtasks)
        every_chart["subtask_differences"] = functools.partial(views.difference_chart, contents.subtasks)
    return every_table, every_chart


Links = dict[str, list[dict[str, str | None]]]


def _links(shown: Frame, contents: Contents, by: str, figure: str) -> Links:
    """{table: for each row {column: where the items behind it are listed}}."""
    question = contents.readout.question

    def items(key: str, part: str, **more: str) -> str | None:
        return shown.items(question=more.pop("question", question), by=key, part=part, **more)

    def of_row(row: Row) -> dict[str, str | None]:
        if row.part == "none":
            return {}
        if by in ("kind", "distance"):  # items can't be listed by these; their scenes can
            return dict.fromkeys((by, "dishes", "images", *MEASURES), shown.again(by="scene") + "#groups")
        key = {"scene": "scene", "country": "scene_country", "dish": "food"}[by]
        return {
            by: items(key, row.part),
            "accuracy": items(key, row.part),
            "unsure": items(key, row.part, votes="any-unsure"),
            "disagreement": items(key, row.part, votes="differ"),
        }

    def dishes(key: str, measure: str) -> str:
        return shown.again(question=key, by="dish", figure=measure) + "#groups"

    def figures(key: str, part: str) -> dict[str, str | None]:
        """Each leads to the figure of the subtask, where its items are listed by their votes."""
        at = {"question": key, "by": "subtask", "part": part}
        alpha = shown.address("agreement:figure", {**at, "figure": "krippendorff_alpha"})
        agreement = shown.address("agreement:figure", {**at, "figure": "percent_agreement"})
        raw = ("dishes", "answers", "percent_agreement", "yes", "unsure")
        return {"krippendorff_alpha": alpha, **dict.fromkeys(raw, agreement)}

    each = [(key, part, one) for key, parts in contents.subtasks.items() for part, one in parts.items()]
    return {
        "overall": [
            {
                "white": items("subtask", "SF", question=one.question),
                "background": items("subtask", "SFB", question=one.question),
                **dict.fromkeys(("dishes", "change", "p"), dishes(one.question, measure)),
            }
            for one in contents.overall
            for measure in MEASURES
        ],
        f"by_{by}": [of_row(row) for row in views.ordered(contents.readout, by, figure)],
        "subtasks": [
            {
                **figures(key, part),
                "images": items("subtask", part, question=key),
                "percent_agreement": items("subtask", part, question=key, votes="differ"),
                "unsure": items("subtask", part, question=key, votes="any-unsure"),
            }
            for key, part, _ in each
        ],
        "subtask_differences": [
            {"difference": items("subtask", part, question=key), **figures(key, part)}
            for key, part, one in each
            if one.differences is not None and part != REFERENCES[key]
        ],
    }
