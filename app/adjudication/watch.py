"""How a campaign goes and what needs attention, found once for every moment at which something is new."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Final, NamedTuple

from sqlmodel import Session

from app.adjudication import watch_queries as queries
from app.adjudication import watch_waiting as waiting
from app.adjudication.agreement.memory import counted, remembered
from app.adjudication.agreement.people_flags import ENOUGH, flags, paces
from app.adjudication.agreement.people_routes import counts_of
from app.adjudication.agreement.people_views import Rater, raters
from app.adjudication.gates import Gate, gates
from app.adjudication.watch_forecast import FEWEST_SPANS, Forecast, Spans, forecast
from app.adjudication.watch_queries import Holder, Items, Lately, Reasons, Span
from app.adjudication.watch_waiting import ForInsiders, Revisions
from app.agreement.intervals import wilson
from app.agreement.tallies import QUESTIONS
from app.campaigns.models import Campaign, CampaignStatus, Policy
from app.campaigns.parameters import ADAPTIVE, parameters_of
from app.items.models import Hold, Status
from app.judgments.rater_models import latest_models
from app.judgments.votes import counts_by_part

MOST_WEEKS: Final = 26
"""The newest ones: half a year."""
FEWEST_DECIDED: Final = 20
"""Decided items from which it is told how many judgments one takes under an adaptive rule."""

MANY: Final = 200_000
"""Judgments from which people, reasons and rejected images are looked at once a minute, not with every vote."""


class Moment(NamedTuple):
    """`version` is the counts'; `mark` another text whenever the page has something new to show."""

    version: uuid.UUID
    mark: str
    at: datetime


class Progress(NamedTuple):
    """`remaining` judgments are those that items in the queue will still take. `not_chosen` images are in nothing else:
    others were chosen among several, or none was."""

    groups: Sequence[Items]
    not_chosen: int
    revisions: Revisions
    remaining: int

    @property
    def total(self) -> int:
        return sum(group.n for group in self.groups)

    @property
    def judged(self) -> int:
        return sum(group.judged for group in self.groups)

    @property
    def wanted(self) -> int:
        return sum(group.wanted for group in self.groups)

    def of(self, status: Status) -> int:
        return sum(group.n for group in self.groups if group.status is status)

    @property
    def decided(self) -> int:
        return self.total - self.of(Status.PENDING)

    @property
    def held_back(self) -> Mapping[Hold, int]:
        """Undecided items that are not handed out, by why; those whose reason holds for none are left out."""
        found = {hold: sum(group.n for group in self.groups if _is_held(group, hold)) for hold in Hold}
        return {hold: n for hold, n in found.items() if n}

    @property
    def decided_lately(self) -> tuple[int, int]:
        """Within the last hour, and within 24."""
        return sum(group.hour for group in self.groups), sum(group.day for group in self.groups)


class Week(NamedTuple):
    """`n` answers to a question on items that became comparable in the week `monday` begins, `no` of them “no”."""

    monday: date
    n: int
    no: int

    @property
    def iso(self) -> str:
        """
        >>> Week(date(2026, 11, 23), 1, 0).iso
        '2026-W48'
        """
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02}"

    @property
    def share(self) -> dict[str, Any]:
        return wilson(self.no, self.n).as_json()


class Suspect(NamedTuple):
    """Somebody the agreement pages have a word about: `words` are their flags, `others_seconds` the median of the
    others' median times (None where too few have one)."""

    rater: Rater
    words: Sequence[str]
    others_seconds: float | None


class Watched(NamedTuple):
    """`days` and `decided` are of the last whole days, the oldest first."""

    at: datetime
    progress: Progress
    lately: Lately
    days: Sequence[tuple[date, Span, int]]
    forecast: Forecast
    holders: Sequence[Holder]
    insiders: Sequence[ForInsiders]
    gates: Sequence[Gate]
    drift: Mapping[str, Sequence[Week]]
    n_raters: int
    suspects: Sequence[Suspect]
    reasons: Reasons

    @property
    def has_stuck(self) -> bool:
        """Are there items in the queue that nobody can be given?"""
        return any(gate.is_shut for gate in self.gates) or any(row.only and not row.insiders for row in self.insiders)


def moment(session: Session, campaign_id: uuid.UUID, at: datetime) -> Moment:
    """Brings the counts up to date and says where they stand. As long as nothing is new it reads no judgment, claim or
    counted vote."""
    version = counted(session, campaign_id)
    return Moment(version, queries.mark(session, campaign_id, version, at), at)


def watched(session: Session, campaign: Campaign, policy: Policy, now: Moment) -> Watched:
    """Made once for each mark, for all who watch."""
    return remembered(now.version, ("watch", now.mark), lambda: _look(session, campaign, policy, now))


def _look(session: Session, campaign: Campaign, policy: Policy, now: Moment) -> Watched:
    every = queries.items(session, campaign.id, now.at)
    groups = [group for group in every if not group.is_not_chosen]
    not_chosen = sum(group.n for group in every if group.is_not_chosen)
    revisions = _revisions(session, campaign.id, groups, now)
    progress = Progress(groups, not_chosen, revisions, remaining(groups, policy.rule == ADAPTIVE))
    lately = queries.lately(session, campaign.id, now.at)
    days = _days(session, campaign.id, now.at.date())
    n_raters, suspects, why = _people(session, campaign.id, progress.judged, now)
    return Watched(
        at=now.at,
        progress=progress,
        lately=lately,
        days=days,
        forecast=_forecast(campaign, progress, lately, days, now.at),
        holders=queries.holders(session, campaign.id, now.at),
        insiders=waiting.for_insiders(session, campaign.id),
        gates=gates(session, campaign.id, parameters_of(policy)),
        drift=_drift(session, campaign.id),
        n_raters=n_raters,
        suspects=suspects,
        reasons=why,
    )


def _revisions(session: Session, campaign_id: uuid.UUID, groups: Sequence[Items], now: Moment) -> Revisions:
    """Of many judgments few reject an item, and only those change what became of the rejected ones within a minute."""
    n_rejected = sum(group.n for group in groups if group.status is Status.REJECTED)
    key = ("watched revisions", n_rejected, _when(now, sum(group.judged for group in groups)))
    return remembered(campaign_id, key, lambda: waiting.revisions(session, campaign_id))


def _when(now: Moment, n_judgments: int) -> int | str:
    """One judgment among MANY changes little, so what takes long is then looked at once a minute."""
    return int(now.at.timestamp() // 60) if n_judgments >= MANY else now.mark


def _people(
    session: Session, campaign_id: uuid.UUID, n_judgments: int, now: Moment
) -> tuple[int, Sequence[Suspect], Reasons]:
    """Half of the page's time."""

    def look() -> tuple[int, Sequence[Suspect], Reasons]:
        counts = counts_of(session, campaign_id, "first")
        everyone = raters(counts, latest_models(session, campaign_id))
        return len(everyone), _suspects(everyone), queries.reasons(session, campaign_id, counts.people)

    return remembered(campaign_id, ("watched people", _when(now, n_judgments)), look)


def remaining(groups: Sequence[Items], is_adaptive: bool) -> int:
    """Judgments that items in the queue will still take.

    Under a fixed rule those that are wanted. Under an adaptive one an item asks for one at a time, so what is wanted
    now is the least; once FEWEST_DECIDED items are decided, the others are taken to need as many each as these did.
    Easy items are decided first, so that is rather too few.
    """
    queue = [group for group in groups if group.status is Status.PENDING and group.hold is None]
    least = sum(group.wanted - group.judged for group in queue)
    decided = [group for group in groups if group.status is not Status.PENDING]
    n = sum(group.n for group in decided)
    if not is_adaptive or n < FEWEST_DECIDED:
        return least
    each = sum(group.judged for group in decided) / n
    return max(least, round(each * sum(group.n for group in queue)) - sum(group.judged for group in queue))


def _is_held(group: Items, hold: Hold) -> bool:
    return group.status is Status.PENDING and group.hold is hold


def _days(session: Session, campaign_id: uuid.UUID, today: date) -> list[tuple[date, Span, int]]:
    """Whole days are over: what came in on them is read once a day."""

    def read() -> list[tuple[date, Span, int]]:
        judged, decided = queries.days(session, campaign_id, today)
        every = [today - timedelta(days=ago) for ago in range(queries.DAYS, 0, -1)]
        return [(day, judged.get(day, Span(0, 0)), decided.get(day, 0)) for day in every]

    return remembered(campaign_id, ("watched days", today), read)


def _forecast(
    campaign: Campaign, progress: Progress, lately: Lately, days: Sequence[tuple[date, Span, int]], at: datetime
) -> Forecast:
    if not progress.total:
        return Forecast(None, None, None, "There are no items yet.")
    if not progress.remaining:
        return Forecast(None, None, None, "Every item in the queue has its judgments.")
    if campaign.status is not CampaignStatus.OPEN:
        return Forecast(None, None, None, f"The campaign is {campaign.status.value}, so nobody judges.")
    if not any(hour.counted for hour in lately.hours):
        return Forecast(None, None, None, "Nobody has judged within the last day, so there is no pace to go by.")
    return forecast(progress.remaining, spans_of(lately.hours, [span for _, span, _ in days]), at)


def spans_of(hours: Sequence[Span], days: Sequence[Span]) -> Spans:
    """The whole days since somebody began to judge, if they are enough; else the hours, those of the last day or fewer
    if nobody had begun then."""
    since = _from_the_first(days)
    if len(since) >= FEWEST_SPANS:
        return Spans([day.counted for day in since], timedelta(days=1), "day")
    of_hours = hours if since else _from_the_first(hours)
    return Spans([hour.counted for hour in of_hours], timedelta(hours=1), "hour")


def _from_the_first(spans: Sequence[Span]) -> Sequence[Span]:
    return spans[next((place for place, span in enumerate(spans) if span.judged), len(spans)) :]


def _drift(session: Session, campaign_id: uuid.UUID) -> dict[str, list[Week]]:
    """By question and week, from the first two judgments of each item: a fair sample whatever the rule."""
    parts = counts_by_part(session, campaign_id, "week", "first")
    oldest = max(map(date.fromisoformat, parts), default=date.min)
    oldest -= timedelta(weeks=MOST_WEEKS - 1) if parts else timedelta()
    found: dict[str, list[Week]] = {}
    for question in QUESTIONS:
        for name in sorted(parts):
            if question in parts[name] and (monday := date.fromisoformat(name)) >= oldest:
                rows = parts[name][question].rows
                n, no = sum(sum(votes) * items for votes, items in rows), sum(votes[1] * items for votes, items in rows)
                found.setdefault(question, []).append(Week(monday, n, no))
    return found


def change_of(weeks: Sequence[Week]) -> tuple[Week, dict[str, Any]] | None:
    """The newest week, and the share of all weeks before it, where their 95 % intervals don't meet."""
    if len(weeks) < 2:
        return None
    newest, before = weeks[-1], wilson(sum(week.no for week in weeks[:-1]), sum(week.n for week in weeks[:-1]))
    share = newest.share
    if newest.n < ENOUGH or before.low is None or before.high is None:
        return None
    is_apart = share["low"] > before.high or share["high"] < before.low
    return (newest, before.as_json()) if is_apart else None


def _suspects(everyone: Sequence[Rater]) -> list[Suspect]:
    """Whom the flags of the agreement pages name, with all that is said of each; who is named most comes first."""
    said: dict[uuid.UUID, tuple[Rater, list[str]]] = {}
    for flag in flags(everyone):
        said.setdefault(flag.rater.who.id, (flag.rater, []))[1].append(flag.words)
    found = []
    for rater, words in said.values():
        rest = paces([other for other in everyone if other is not rater])
        found.append(Suspect(rater, words, median(rest) if len(rest) >= 2 else None))
    return sorted(found, key=lambda suspect: -len(suspect.words))
