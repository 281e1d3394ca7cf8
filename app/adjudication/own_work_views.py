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
from app.items.cards import CardFacts, card_facts
from app.judgments.cards import image_url, questions
from app.web.figures.series import bars
from app.web.figures.svg import Chart
from app.web.figures.tables import Column, Table, Unit

WEEKS = 8
MONTHS = 6


def days_table(pace: Pace) -> Table:
    columns = (
        Column("day", "Day", Unit.TEXT),
        Column("items", "Images", Unit.COUNT),
        Column("active_minutes", "Active minutes", Unit.COUNT),
        Column("an_hour", "Images an active hour", Unit.COUNT),
        Column("seconds", "Median time", Unit.SECONDS),
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
    return Table("days", f"Day by day, the last {DAYS} days", columns, rows)


def days_charts(pace: Pace) -> dict[str, Chart]:
    images = [(_short(day.day), day.items) for day in pace.days]
    seconds = [(_short(day.day), round(day.seconds or 0)) for day in pace.days]
    return {
        "images": bars("images", f"Images a day, the last {DAYS} days", images, "images"),
        "seconds": bars("seconds", "Median seconds an image, day by day", seconds, "seconds"),
    }


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def agreement_table(found: Sequence[Agreement], names: Mapping[uuid.UUID, str]) -> Table:
    columns = (
        Column("question", "Question", Unit.TEXT),
        Column("campaign", "Campaign", Unit.TEXT),
        Column("n", "Decided", Unit.COUNT),
        Column("agreeing", "As you said", Unit.COUNT),
        Column("share", "As you said", Unit.SHARE),
    )
    order = list(QUESTIONS)
    rows = [
        (QUESTIONS[one.question], names[one.campaign_id], one.n, one.agreeing, one.share.as_json())
        for one in sorted(found, key=lambda one: (names[one.campaign_id], order.index(one.question)))
    ]
    return Table("agreement", "Your yes and no beside the final decisions", columns, rows)


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
    """Entries with their pictures and words, as their annotator read them."""
    facts = card_facts(session, [one.item_id for one in found])
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
        for question in policy.questions
        for reason in question["reasons"]
    }
    texts = {question.key: question.text for question in questions(policy, facts)}
    return [
        Difference(
            texts.get(key, QUESTIONS[key]),
            one.answers[key]["answer"],
            [words.get((key, code), code) for code in one.answers[key]["reasons"]],
            one.answers[key]["correction"] or "",
            one.decided.get(key, ""),
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
    return {f"month-{month.first}": (f"{month.first:%B %Y}", month) for month in months} | {
        f"week-{week.first}": (f"{_short(week.first)} to {_short(week.last)} {week.last.year}", week) for week in weeks
    }
