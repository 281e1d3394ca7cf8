"""Sets of candidates in an import: several images of one claim, of which a person will choose one."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.campaigns.models import Campaign
from app.items.claimed import Claimed, claimed_by, claimed_there
from app.items.fitting import ItemThere, any_of, fault_in
from app.items.models import CandidateSet, Item
from app.items.rows import ClaimRow, shown
from app.items.tables import Fault

MOST: Final = 9
"""Candidates of a set: one digit chooses one."""


def set_faults(
    session: Session, campaign: Campaign | None, rows: Iterable[ClaimRow], there: Mapping[str, ItemThere]
) -> list[Fault]:
    """What is wrong with the candidates among these rows, those that the campaign holds already included."""
    in_sets = [row for row in rows if row.candidate_set]
    new = [row for row in in_sets if row.key not in there]
    if not new:
        return []
    names = {str(row.candidate_set) for row in new}
    known = _claims_there(session, campaign, names)
    faults = _decided(session, campaign, new)
    size = {name: len(claims) for name, claims in known.items()}
    first = {name: (claims[0], "the campaign") for name, claims in known.items()}
    for row in new:
        name = str(row.candidate_set)
        size[name] = size.get(name, 0) + 1
        claim = claimed_by(row)
        before, where = first.setdefault(name, (claim, f"{row.raw.file}, row {row.raw.row}"))
        if what := next((word for word, a, b in zip(_WORDS, before, claim, strict=True) if a != b), None):
            faults.append(
                fault_in(
                    row.raw, "candidate_set",
                    f"The set {shown(name)} claims another {what} in {where}: candidates of one set must claim the "
                    "same, so give this row another set.",
                )
            )  # fmt: skip
    for row in {str(row.candidate_set): row for row in new}.values():
        name = str(row.candidate_set)
        if size[name] == 1:
            words = f"The set {shown(name)} has one image only: give it another one, or empty candidate_set."
        elif size[name] > MOST:
            words = f"The set {shown(name)} has {size[name]} images; at most {MOST} can be compared: split it."
        else:
            continue
        faults.append(fault_in(row.raw, "candidate_set", words))
    return faults


def add_sets(session: Session, campaign: Campaign, keys: Iterable[str]) -> dict[str, uuid.UUID]:
    """The ids of these sets by key; those not there yet are added."""
    wanted = set(keys)
    query = select(CandidateSet).where(CandidateSet.campaign_id == campaign.id, col(CandidateSet.key) == any_of(wanted))
    sets = {found.key: found for found in session.exec(query)} if wanted else {}
    for key in sorted(wanted - sets.keys()):
        sets[key] = CandidateSet(campaign_id=campaign.id, key=key)
        session.add(sets[key])
    session.flush()
    return {key: found.id for key, found in sets.items()}


_WORDS: Final = ("subtask", "dish or country", "background")


def _claims_there(session: Session, campaign: Campaign | None, names: set[str]) -> dict[str, list[Claimed]]:
    if campaign is None:
        return {}
    items = session.execute(
        sa.select(col(CandidateSet.key), col(Item.id))
        .join(Item, col(Item.candidate_set_id) == col(CandidateSet.id))
        .where(col(CandidateSet.campaign_id) == campaign.id, col(CandidateSet.key) == any_of(names))
    ).all()
    claims = claimed_there(session, [item_id for _, item_id in items])
    found: dict[str, list[Claimed]] = defaultdict(list)
    for name, item_id in items:
        found[name].append(claims[item_id])
    return found


def _decided(session: Session, campaign: Campaign | None, new: list[ClaimRow]) -> list[Fault]:
    if campaign is None:
        return []
    query = select(CandidateSet.key).where(
        CandidateSet.campaign_id == campaign.id,
        col(CandidateSet.key) == any_of({row.candidate_set for row in new}),
        col(CandidateSet.decided_at).is_not(None),
    )
    decided = set(session.exec(query))
    return [
        fault_in(row.raw, "candidate_set", f"Of the set {shown(str(row.candidate_set))} one was chosen already: "
                 "give new images a set of their own.")
        for row in new
        if row.candidate_set in decided
    ]  # fmt: skip
