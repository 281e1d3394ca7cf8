"""Pages where runs stand side by side: the comparison somebody asked for, and a release's leaderboard."""

import functools
import uuid
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from app.accounts.access import Researcher
from app.errors import Invalid, TerroirError
from app.evaluation.pages import comparison_views as views
from app.evaluation.pages import standings
from app.evaluation.pages.routes import LOOKS
from app.evaluation.scoring import document_of
from app.evaluation.watching import get_run
from app.releases.models import Release
from app.releases.service import get_release
from app.storage import Storage
from app.web.figures import tables
from app.web.figures.downloads import figure_file
from app.web.figures.svg import inline
from app.web.figures.tables import Table, Unit
from app.web.render import render
from app.web.session import SessionDep, StorageDep

router = APIRouter(include_in_schema=False)
Chosen = Annotated[list[uuid.UUID], Query()]


@router.get("/runs/compare", name="evaluation:compare")
def compare(
    request: Request, session: SessionDep, storage: StorageDep, account: Researcher, run: Chosen = [], figure: str = "",  # noqa: B006  (FastAPI copies it)
) -> Response:  # fmt: skip
    found: dict[str, Any] | None = None
    error: TerroirError | None = None
    if run:
        try:
            found = _compared(session, storage, run, _figure(figure))
        except Invalid as fault:
            error = fault
    here = str(request.app.url_path_for("evaluation:compare"))
    chosen = list(dict.fromkeys(run))
    return render(
        request,
        "evaluation/compare.html",
        status=error.status if error else 200,
        title="Compare runs",
        choices=standings.comparable(session),
        chosen=chosen,
        words_of=views.FIGURES,
        figure=figure or next(iter(views.FIGURES)),
        address=lambda key: f"{here}?{_query(chosen, key)}",
        files=f"{here}/files",
        query=_query(chosen, figure),
        error=error,
        found=found,
        release=session.get_one(Release, found["runs"][0].release_id) if found else None,
        figures_chart=views.figures_chart(found["figures"]) if found else None,
        differences_chart=views.differences_chart(found["differences"]) if found else None,
        words=tables,
        draw=inline,
    )


@router.get("/runs/compare/files/{name}", name="evaluation:compare_file")
def compare_file(
    session: SessionDep, storage: StorageDep, account: Researcher, name: str, run: Chosen = [], figure: str = "",  # noqa: B006  (FastAPI copies it)
) -> Response:  # fmt: skip
    found = _compared(session, storage, run, _figure(figure))
    comparisons = found["document"]["comparisons"]
    spec = {str(one.id): one.spec_sha256 or "" for one in found["runs"]}
    pairs = [f"{spec[pair['left']]} {spec[pair['right']]}" for pair in comparisons]
    specs = {
        "figures": list(spec.values()),
        "differences": pairs,
        "by_subtask": [both for both, pair in zip(pairs, comparisons, strict=True) for _ in pair["subtasks"]],
    }
    if found["matrix"] is not None:
        specs["matrix"] = [" ".join(spec.values())] * len(found["matrix"].rows)
    every: dict[str, Callable[[], Table]] = {key: lambda table=found[key]: table for key in specs}  # type: ignore[misc]  # mypy knows no type of a default in a lambda
    charts = {
        "figures": lambda: views.figures_chart(found["figures"]),
        "differences": lambda: views.differences_chart(found["differences"]),
    }
    return figure_file(name, every, charts, specs, f"compare-{_figure(figure)}")


def _compared(session: Session, storage: Storage, run_ids: list[uuid.UUID], figure: str) -> dict[str, Any]:
    """Raises UnknownRun and Invalid."""
    chosen = [get_run(session, run_id) for run_id in dict.fromkeys(run_ids[: standings.MAX_RUNS + 1])]
    document = standings.comparison_of(session, storage, chosen)
    documents = {str(one.id): document_of(session, storage, one) for one in chosen}
    return {
        "runs": chosen,
        "document": document,
        "matrix": views.matrix_table(chosen, standings.board_of(session, storage, chosen), figure),
        "figures": views.figures_table(chosen, documents, figure),
        "differences": views.differences_table(chosen, document, figure),
        "by_subtask": views.subtask_differences_table(chosen, document, figure),
    }


def _figure(word: str) -> str:
    if word and word not in views.FIGURES:
        raise Invalid(f"“{word[:40]}” can't be compared; choose one of {', '.join(views.FIGURES)}.")
    return word or next(iter(views.FIGURES))


def _query(chosen: list[uuid.UUID], figure: str) -> str:
    return urlencode([*(("run", str(one)) for one in chosen), *([("figure", figure)] if figure else [])])


@router.get("/releases/{version}/leaderboard", name="evaluation:leaderboard")
def leaderboard(
    request: Request, session: SessionDep, storage: StorageDep, account: Researcher, version: str
) -> Response:
    release = get_release(session, version)
    found = standings.standings_of(session, storage, release)
    rows = found.document["rows"]
    here = str(request.app.url_path_for("evaluation:leaderboard", version=version))
    first = [uuid.UUID(row["run"]) for row in rows[: standings.MAX_RUNS]]
    return render(
        request,
        "evaluation/leaderboard.html",
        title=f"Leaderboard of {version}",
        release=release,
        rows=rows,
        runs=found.runs,
        names=views.names_of(list(found.runs.values())),
        left_out=found.left_out,
        chart=views.leaderboard_chart(found),
        figures=views.FIGURES,
        compare_address=f"{request.app.url_path_for('evaluation:compare')}?{_query(first, '')}",
        most=standings.MAX_RUNS,
        files=f"{here}/files",
        share=Unit.SHARE,
        looks=LOOKS,
        words=tables,
        draw=inline,
    )


@router.get("/releases/{version}/leaderboard/files/{name}", name="evaluation:leaderboard_file")
def leaderboard_file(
    session: SessionDep, storage: StorageDep, account: Researcher, version: str, name: str
) -> Response:
    found = standings.standings_of(session, storage, get_release(session, version))
    specs = [found.runs[row["run"]].spec_sha256 or "" for row in found.document["rows"]]
    return figure_file(
        name,
        {"leaderboard": functools.partial(views.leaderboard_table, found)},
        {"leaderboard": functools.partial(views.leaderboard_chart, found)},
        {"leaderboard": specs},
        f"leaderboard-{version}",
    )
