"""What the page of one's own work shows: tables, charts and, in words, what was decided otherwise."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlmodel import Session

from app.adjudication.agreement.words import QUESTIONS
from app.adjudication.own_work import DAYS, Agreement, Decided, Pace
from app.adjudication.pay import Period, month_of, week_of
from app.agreement.intervals import Estimate
from app.campaigns.models import Policy
from app.campaigns.wording import worded
from app.errors import Sentence
from app.items.cards import CardFacts, card_facts
from app.judgments.cards import image_url, questions
from app.judgments.views import SAID
from app.web import i18n
from app.web.figures.series import bars
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit

WEEKS = 8
MONTHS = 6


def days_table(pace: Pace) -> Table:
    columns = (
        Column("day", Sentence("Day"), Unit.TEXT),
        Column("items", Sentence("Images"), Unit.COUNT),
        Column("active_minutes", Sentence("Active minutes"), Unit.COUNT),
        Column("an_hour", Sentence("Images an active hour"), Unit.COUNT),
        Column("seconds", Sentence("Median time"), Unit.SECONDS),
    )
    rows = [
        (
            day.day.isoformat(),
            day.items,
            round(day.active_ms / 60_000),
            None if day.an_hour is None else round(day.an_hour),
            None if day.seconds is None else Estimate(day.seconds).as_json(),
        )
        for day in pace.days
    ]
    return Table("days", Sentence("Day by day, the last {days} days", days=DAYS), columns, rows)


def days_charts(pace: Pace) -> dict[str, Chart]:
    images = [(_short(day.day), day.items) for day in pace.days]
    seconds = [(_short(day.day), round(day.seconds or 0)) for day in pace.days]
    return {
        "images": bars("images", Sentence("Images a day, the last {days} days", days=DAYS), images, Sentence("images")),
        "seconds": bars("seconds", Sentence("Median seconds an image, day by day"), seconds, Sentence("seconds")),
    }


def _short(day: date) -> str:
    return i18n.day(day, "MMMd")


def agreement_table(found: Sequence[Agreement], names: Mapping[uuid.UUID, str]) -> Table:
    columns = (
        Column("question", Sentence("Question"), Unit.TEXT),
        Column("campaign", Sentence("Campaign"), Unit.TEXT),
        Column("n", Sentence("Decided"), Unit.COUNT),
        Column("agreeing", Sentence("As you said"), Unit.COUNT),
        Column("share", Sentence("As you said"), Unit.SHARE),
    )
    order = list(QUESTIONS)
    rows = [
        (i18n.translated(QUESTIONS[one.question]), names[one.campaign_id], one.n, one.agreeing, one.share.as_json())
        for one in sorted(found, key=lambda one: (names[one.campaign_id], order.index(one.question)))
    ]
    return Table("agreement", Sentence("Your yes and no beside the final decisions"), columns, rows)


class Difference(NamedTuple):
    """One question in words: the own answer, its reasons, and what was decided."""

    question: str
    answer: str
    reasons: Sequence[str]
    correction: str
    decided: str


class Shown(NamedTuple):
    one: Decided
    facts: CardFacts
    thumb_url: str
    campaign: str
    differences: Sequence[Difference]


def shown(session: Session, found: Sequence[Decided], names: Mapping[uuid.UUID, str]) -> list[Shown]:
    """Entries with their pictures and words, as their annotator reads them."""
    facts = card_facts(session, [one.item_id for one in found], i18n.spoken())
    return [
        Shown(
            one,
            facts[one.item_id],
            image_url(facts[one.item_id].image_sha256, "thumb"),
            names[one.campaign_id],
            _differences(session.get_one(Policy, one.policy_id), facts[one.item_id], one),
        )
        for one in found
    ]


def _differences(policy: Policy, facts: CardFacts, one: Decided) -> list[Difference]:
    words = {
        (question["key"], reason["code"]): reason["text"]
        for question in (worded(one, i18n.spoken()) for one in policy.questions)
        for reason in question["reasons"]
    }
    texts = {question.key: question.text for question in questions(policy, facts, language=i18n.spoken())}
    return [
        Difference(
            texts.get(key, QUESTIONS[key]),
            SAID[one.answers[key]["answer"]],
            [words.get((key, code), code) for code in one.answers[key]["reasons"]],
            one.answers[key]["correction"] or "",
            SAID[one.decided[key]] if key in one.decided else "",
        )
        for key in one.against or one.answers
    ]


def period_choices(today: date) -> dict[str, tuple[str, Period]]:
    """{what stands in the address: (words, period)}: the last weeks and months, the present ones first.

    >>> list(period_choices(date(2026, 11, 27)))[:2]
    ['month-2026-11-01', 'month-2026-10-01']
    """
    months, first = [], today
    for _ in range(MONTHS):
        months.append(month_of(first))
        first = months[-1].first - timedelta(days=1)
    weeks = [week_of(today - timedelta(weeks=number)) for number in range(WEEKS)]
    return {f"month-{month.first}": (i18n.day(month.first, "yMMMM"), month) for month in months} | {
        f"week-{week.first}": (
            Sentence(
                "{first} to {last} {year}",
                first=_short(week.first), last=_short(week.last), year=str(week.last.year),
            ),
            week,
        )
        for week in weeks
    }  # fmt: skip
