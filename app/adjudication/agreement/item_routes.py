"""The list that every number of the agreement pages leads to: its items, with their votes."""

import tempfile
from collections.abc import Iterator
from functools import partial
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Request
from sqlmodel import Session
from starlette.responses import Response, StreamingResponse

from app.accounts.access import Admin
from app.adjudication.agreement import item_choices, item_views
from app.adjudication.agreement.frame import Frame, VotesDep, frame, is_set
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.words import QUESTIONS
from app.agreement.rules import ANSWERS
from app.agreement.tallies import Basis
from app.errors import NotFound
from app.items.models import Status
from app.judgments import vote_items
from app.judgments.cards import image_url
from app.judgments.vote_filters import ALONE, Wanted, checked
from app.web.render import redirect_to, render
from app.web.session import SessionDep

router = APIRouter(include_in_schema=False, prefix="/campaigns/{slug}/agreement")
ROUTE = "agreement:items"


def _wanted(
    question: str = "", by: str = "", part: str = "", votes: str = "", rater: str = "", answer: str = "",
    a: str = "", b: str = "", answer_a: str = "", answer_b: str = "", food: str = "", scene: str = "",
    scene_country: str = "", status: str = "",
) -> Wanted:  # fmt: skip
    return Wanted(
        question, by, part, votes, rater, answer, a, b, answer_a, answer_b, food, scene, scene_country, status
    )


WantedDep = Annotated[Wanted, Depends(_wanted)]


@router.get("/items", name=ROUTE)
def items(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, wanted: WantedDep,
    doubt: str = "", cursor: str = "", within: str | None = None,
) -> Response:  # fmt: skip
    """`within` is the form's choice of a kind and a part, which the address holds apart."""
    around = frame(request, session, account, slug, votes, "agreement:map")
    if within is not None:
        by, _, part = within.partition(":")
        return redirect_to(around.address(ROUTE, {**wanted._replace(by=by, part=part)._asdict(), "doubt": doubt}))
    wanted = checked(wanted)
    order = _order(doubt)
    campaign_id = around.campaign.id
    version = counted(session, campaign_id)
    found = remembered(
        version, ("item choices", votes.basis), partial(item_choices.choices, session, campaign_id, votes.basis)
    )
    names = item_choices.names_in(session, wanted)
    page = vote_items.page(session, campaign_id, votes.basis, wanted, order=order, cursor=cursor)
    query = {**wanted._asdict(), "doubt": doubt}

    def n_items() -> int:
        return vote_items.number_of(session, campaign_id, votes.basis, wanted)

    return render(
        request,
        "adjudication/agreement/items.html",
        title="Items",
        wanted=wanted,
        doubt=doubt,
        n_items=n_items() if wanted.status else remembered(version, ("items", votes.basis, wanted), n_items),
        entries=page.items,
        chips=[
            (chip, around.address(ROUTE, {**wanted.without(chip.drops)._asdict(), "doubt": doubt}))
            for chip in item_views.chips(wanted, names)
        ],
        everything=around.address(ROUTE, {"doubt": doubt}),
        next=around.address(ROUTE, {**query, "cursor": page.next_cursor}) if page.next_cursor else None,
        first=around.address(ROUTE, query) if cursor else None,
        file=around.address("agreement:items_file", query, name="items.csv"),
        votes_of=lambda entry, key: item_views.shown_votes(entry, key, votes.basis, wanted, names),
        questions=QUESTIONS,
        answers=[(answer, answer) for answer in ANSWERS],
        statuses=[(status.value, status.value.capitalize()) for status in Status],
        votes_choices=_votes_choices(wanted),
        groups=item_choices.groups(found, wanted, names),
        choices=found,
        image_url=image_url,
        has_doubt=vote_items.has_posteriors(session, campaign_id),
        **around.context(),
    )


@router.get("/items/{name}", name="agreement:items_file")
def items_file(
    request: Request, session: SessionDep, account: Admin, slug: str, votes: VotesDep, wanted: WantedDep, name: str,
    doubt: str = "",
) -> Response:  # fmt: skip
    """items.csv: the whole list, on as many pages as it stands."""
    around = frame(request, session, account, slug, votes, "agreement:map")
    if name != "items.csv":
        raise NotFound(f"There is no file “{name[:60]}” here; there is items.csv.")
    wanted = checked(wanted)
    counted(session, around.campaign.id)
    file = _written(session, around, votes.basis, wanted, _order(doubt))
    return StreamingResponse(
        _content(file),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{slug}-items.csv"'},
    )


def _written(session: Session, around: Frame, basis: Basis, wanted: Wanted, order: vote_items.Order) -> IO[bytes]:
    """On disk where it is long: what is sent may not wait for the database, nor fill the memory."""
    file = tempfile.SpooledTemporaryFile(max_size=2**22)  # noqa: SIM115  (it is closed once it was sent)
    try:
        listed = vote_items.every(session, around.campaign.id, basis, wanted, order)
        filters = " ".join(f"{name}={value}" for name, value in wanted._asdict().items() if value)
        for line in item_views.as_csv(listed, basis, f"{around.source}, filters: {filters or 'none'}"):
            file.write(line.encode())
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _content(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(2**18):
            yield chunk


def _order(doubt: str) -> vote_items.Order:
    return "doubt" if is_set(doubt) else "key"


def _votes_choices(wanted: Wanted) -> list[tuple[str, str]]:
    """Exact votes need a question, and standing alone a person, too; what the filter says now is always among them."""
    exact = list(item_views.PAIRS_OF_VOTES) if wanted.question else []
    alone = [ALONE] if wanted.question and wanted.rater else []
    every = [*item_views.VOTES_WORDS, *alone, *exact]
    if wanted.votes and wanted.votes not in every:
        every.append(wanted.votes)
    return [(votes, item_views.votes_words(votes)) for votes in every]
