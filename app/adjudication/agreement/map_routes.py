"""The item dispute map: which foods in which scenes people disagree on, and the most disputed items."""

import uuid
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.responses import Response

from app import geography
from app.accounts.access import Admin
from app.accounts.models import Account
from app.adjudication.agreement import item_choices, item_views
from app.adjudication.agreement import map_views as views
from app.adjudication.agreement.frame import Frame, Votes, VotesDep, frame
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.words import QUESTIONS
from app.errors import Invalid
from app.judgments import vote_items, vote_map
from app.judgments.cards import image_url
from app.judgments.vote_filters import ON_WHITE, Wanted, checked
from app.judgments.vote_items import JudgedItem
from app.judgments.vote_map import Spot
from app.web.figures.downloads import figure_file
from app.web.figures.heat import FEW_COLUMNS, shade_of
from app.web.render import render, with_query
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")
ROUTE = "agreement:map"
MOST_DISPUTED = 24


class Shown(NamedTuple):
    """`country`: the food's, whose dishes are the rows; empty for all countries."""

    frame: Frame
    version: uuid.UUID
    measure: str
    question: str
    country: str
    spots: list[Spot]
    axes: views.Axes
    disputed: list[JudgedItem]
    is_by_doubt: bool

    @property
    def query(self) -> dict[str, str]:
        return {"measure": self.measure, "question": self.question, "country": self.country}

    @property
    def title(self) -> str:
        about = f", {QUESTIONS[self.question].lower()}" if self.question and self.measure != "rejected" else ""
        where = f"dishes of {geography.name_of(self.country)} by scene" if self.country else "food’s country by scene’s"
        return f"{views.MEASURES[self.measure]}{about}: {where}"

    def items(self, spot: Spot) -> str | None:
        """The list of the items that a cell counts."""
        place = {"by": "country", "part": self.country, "food": spot.row, "scene": spot.column}
        if not self.country:
            place = {"by": "country", "part": spot.row, "scene_country": spot.column}
        return self.frame.items(question=self.question, **place, **views.FILTERS[self.measure])


@router.get("/map", name=ROUTE)
def dispute_map(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep,
    measure: str = "differ", question: str = "", country: str = "",
) -> Response:  # fmt: skip
    shown = _shown(request, session, account, slug, votes, measure, question, country)
    around = shown.frame
    wanted = Wanted(shown.question)
    darkest = views.darkest(shown.spots, shown.measure) if shown.spots else 0.0

    def again(**changed: str) -> str:
        return around.address(ROUTE, {**shown.query, **changed})

    return render(
        request,
        "adjudication/agreement/map.html",
        title="Dispute map",
        shown=shown,
        rows=views.rows(shown.spots, shown.axes, shown.measure, shown.items),
        shade=partial(shade_of, low=0.0, high=darkest),
        again=again,
        countries=[
            (option.partition(":")[2], words)
            for option, words in remembered(
                shown.version, ("item choices", votes.basis),
                partial(item_choices.choices, session, around.campaign.id, votes.basis),
            ).parts.get("country", [])
        ],
        measures=list(views.MEASURES.items()),
        meaning=views.MEANINGS[shown.measure],
        darkest=darkest,
        few_columns=FEW_COLUMNS,
        thin=views.THIN,
        questions=QUESTIONS,
        country_name=geography.name_of,
        votes_of=lambda entry, key: item_views.shown_votes(entry, key, votes.basis, wanted, {}),
        every_item=around.items(
            question=shown.question, votes="differ", doubt="1",
            **({"by": "country", "part": shown.country} if shown.country else {}),
        ),
        files=str(request.app.url_path_for(ROUTE, slug=slug)),
        query=urlsplit(with_query("", {**shown.query, **votes.query})).query,
        image_url=image_url,
        **around.context(),
    )  # fmt: skip


@router.get("/map/{name}", name="agreement:map_file")
def map_file(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, name: str,
    measure: str = "differ", question: str = "", country: str = "",
) -> Response:  # fmt: skip
    """cells.csv, map.svg and map.png, as the page shows them."""
    shown = _shown(request, session, account, slug, votes, measure, question, country)
    return figure_file(
        name,
        {"cells": lambda: views.table(shown.spots, shown.axes, shown.measure, shown.title)},
        {"map": lambda: views.chart(shown.spots, shown.axes, shown.measure, shown.title)} if shown.spots else {},
        shown.frame.source,
        f"{slug}-dispute-map",
        stamp="source",
    )


def _shown(
    request: Request, session: Session, account: Account, slug: str, votes: Votes, measure: str, question: str,
    country: str,
) -> Shown:  # fmt: skip
    if measure not in vote_map.MEASURES:
        raise Invalid(f"“{measure[:40]}” can't be mapped: choose one of {', '.join(vote_map.MEASURES)}.")
    wanted = checked(Wanted(question, *(("country", country) if country else ())))
    around = frame(request, session, account, slug, votes, ROUTE)
    campaign_id, basis, country = around.campaign.id, votes.basis, wanted.part
    version = counted(session, campaign_id)
    place = (vote_map.state_of_decisions(session, campaign_id), basis, question, country)
    if country:
        spots = remembered(
            version, ("map", place), partial(vote_map.by_dish, session, campaign_id, basis, question, country)
        )
        dishes = item_choices.dish_names(session, {spot.row for spot in spots})
        scenes = {spot.column for spot in spots} - {ON_WHITE}
        axes = views.dish_axes(spots, dishes, item_choices.scene_names(session, scenes))
    else:
        spots = remembered(version, ("map", place), partial(vote_map.by_country, session, campaign_id, basis, question))
        axes = views.country_axes(spots)
    is_by_doubt = vote_items.has_posteriors(session, campaign_id)

    def disputed() -> list[JudgedItem]:
        some = wanted if is_by_doubt else wanted._replace(votes="differ")
        order: vote_items.Order = "doubt" if is_by_doubt else "differing"
        return vote_items.page(session, campaign_id, basis, some, order=order, limit=MOST_DISPUTED).items

    return Shown(
        around, version, measure, question, country, spots, axes,
        remembered(version, ("disputed", place, is_by_doubt), disputed), is_by_doubt,
    )  # fmt: skip
