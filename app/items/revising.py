"""Rows that bring an image made again: what they revise, and whether they may."""

from collections.abc import Mapping, Sequence

from sqlmodel import Session

from app.items.claimed import Claimed, claimed_by, claimed_there
from app.items.fitting import ItemThere, fault_in
from app.items.models import Status
from app.items.rows import ClaimRow, shown
from app.items.tables import Fault


def revisions(rows: list[ClaimRow], there: Mapping[str, ItemThere]) -> tuple[dict[str, int], list[Fault]]:
    """The revision number of every key, here and there: a row that revises another has its parent's and one."""
    numbers = {key: item.revision for key, item in there.items()}
    waiting = [row for row in rows if row.key not in there]
    numbered = True
    while numbered:
        numbered = False
        for row in waiting:
            if row.revision_of is None or row.revision_of in numbers:
                numbers[row.key] = numbers[row.revision_of] + 1 if row.revision_of else 1
                numbered = True
        waiting = [row for row in waiting if row.key not in numbers]
    keys = {row.key for row in rows}
    return numbers, [
        fault_in(
            row.raw, "revision_of",
            f"{shown(row.revision_of or '')} would in the end revise itself: name the image that came before."
            if row.revision_of in keys
            else f"There is no item {shown(row.revision_of or '')} in this campaign or table to be revised.",
        )
        for row in waiting
    ]  # fmt: skip


def revision_faults(session: Session, rows: Sequence[ClaimRow], there: Mapping[str, ItemThere]) -> list[Fault]:
    """New rows that would revise an image of another claim, or an approved one.

    An image may be made again before it is decided: that is how one comes in whose bytes were changed.
    """
    new = [(row, row.revision_of) for row in rows if row.revision_of and row.key not in there]
    if not new:
        return []
    parents = {key: there[key] for _, key in new if key in there}
    claims = claimed_there(session, [item.id for item in parents.values()])
    known = {row.key: claimed_by(row) for row in rows} | {key: claims[item.id] for key, item in parents.items()}
    faults = []
    for row, key in new:
        before, parent, name = known.get(key), parents.get(key), shown(key)
        if before is None:
            continue  # there is no such item, which `revisions` says
        if difference := _difference(before, claimed_by(row)):
            words = f"{name} claims {difference}: a revision is another image of the same claim, so mend the row or "
            words += "empty revision_of."
        elif parent is not None and parent.status is Status.APPROVED:
            words = f"{name} is approved, so it wants no other image: leave the row out, or empty revision_of to bring "
            words += "this image in as an item of its own."
        else:
            continue
        faults.append(fault_in(row.raw, "revision_of", words))
    return faults


def _difference(before: Claimed, now: Claimed) -> str | None:
    """The first thing that two claims differ in, or None."""
    if before.subtask != now.subtask:
        return f"the subtask {before.subtask}, this row {now.subtask}"
    for then, here in zip(before.foods, now.foods, strict=True):
        if then != here:
            return f"the dish {_dish(*then)}, this row {_dish(*here)}"
    if before.scene != now.scene:
        return f"the background {shown(before.scene or 'none')}, this row {shown(now.scene or 'none')}"
    return None


def _dish(name: str, countries: tuple[str, ...]) -> str:
    return f"“{shown(name)}” ({'/'.join(countries)})"
