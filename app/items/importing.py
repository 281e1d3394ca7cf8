"""Importing items: every row and image is checked first, then all of it is written, or nothing."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.errors import Conflict
from app.items import duplicates, pictures
from app.items.candidates import set_faults
from app.items.duplicates import Duplicate, Picture
from app.items.fitting import (
    FiledRow,
    differences,
    fault_in,
    items_there,
    repeated,
    scene_faults,
    with_files,
)
from app.items.models import Image, Item
from app.items.pictures import Look
from app.items.references import link_references
from app.items.revising import revision_faults, revisions
from app.items.rows import REFERENCES, ClaimRow, column_faults, parse
from app.items.tables import Fault, Table, find_tables, read_table
from app.items.writing import NewItem, write
from app.storage import Storage

Progress = Callable[[int, int], None]

DEFAULT_POLICY: Final = "fixed-3"
MANY: Final = 1000
"""So many new items change how the database should look for work."""
_LOCK: Final = 0x7E440172  # any constant: one import writes foods and backgrounds at a time


class ImportReport(NamedTuple):
    """`added` and `unchanged` count items; with errors nothing was written and `added` is 0."""

    added: int
    unchanged: int
    errors: list[Fault]
    duplicates: list[Duplicate]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints; `duplicates_cut` says that there are more near pairs than listed."""
        near = sum(pair.kind == "near" for pair in self.duplicates)
        return {
            "added": self.added,
            "unchanged": self.unchanged,
            "errors": [fault._asdict() for fault in self.errors],
            "duplicates": [pair._asdict() for pair in self.duplicates],
            "duplicates_cut": near >= duplicates.MOST_PAIRS,
        }


def import_items(
    session: Session,
    storage: Storage,
    paths: Sequence[Path],
    campaign_slug: str,
    *,
    images: Path | None = None,
    policy: str | None = None,
    dry_run: bool = False,
    account_id: uuid.UUID | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read tables and CultureMix folders into a campaign, founding it if its slug is new. All or nothing.

    A row whose key, claim and image are there already is unchanged; one that differs is an error. Images reach
    `storage` only once every row is in order; a dry run writes nothing anywhere. `progress(done, total)` counts files.
    Raises Invalid for an impossible slug or policy, Conflict for a policy other than the campaign's or while another
    import runs.
    """
    campaign = _campaign(session, campaign_slug, policy)
    if not dry_run:
        lock_imports(session)
    tables, faults = find_tables(list(paths), images)
    claims = [claim for table in tables for claim in _read(table, faults)]
    faults += repeated(row for row, _ in claims)
    there = items_there(session, campaign, [row for row, _ in claims])
    rows = [row for claim, table in claims if (row := with_files(claim, table, faults)) is not None]
    faults += scene_faults(session, [row.claim for row in rows])
    numbers, found = revisions([row for row, _ in claims], there)
    faults += found
    faults += revision_faults(session, [row for row, _ in claims], there)
    faults += set_faults(session, campaign, [row for row, _ in claims], there)

    known = _pictures_by_hash(session)
    looks: dict[Path, Look] = {}
    _look(rows, storage if not dry_run and not faults else None, set(known), looks, faults, progress)
    faults += [fault for row in rows if (item := there.get(row.claim.key)) for fault in differences(row, item, looks)]
    new = [row for row in rows if row.claim.key not in there]
    pairs = _duplicates(session, campaign, new, looks, known)
    if faults:
        return ImportReport(0, 0, _in_reading_order(faults, tables), pairs)
    if new and not dry_run:
        facts = {look.sha256: look.facts for look in looks.values() if look.facts and look.sha256 not in known}
        write(
            session,
            campaign or campaigns.found(session, campaign_slug, policy=policy or DEFAULT_POLICY, account_id=account_id),
            [
                NewItem(
                    row.claim,
                    looks[row.files["image"]].sha256,
                    {part: looks[path].sha256 for part, path in row.files.items() if part != "image"},
                    numbers[row.claim.key],
                )
                for row in new
            ],
            parents={key: item.id for key, item in there.items()},
            facts=facts.values(),
            files=[table.shown for table in tables],
            unchanged=len(rows) - len(new),
            account_id=account_id,
        )
        link_references(session)
        if len(new) >= MANY:  # else the first claims are planned as if there were a few items, until PostgreSQL looks
            session.execute(sa.text("ANALYZE item"))
    return ImportReport(len(new), len(rows) - len(new), [], pairs)


def lock_imports(session: Session) -> None:
    """Until the transaction ends no other import runs. Raises Conflict when one does."""
    if not session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
        raise Conflict("Another import is running; start this one again when it has ended.")


def await_imports(session: Session) -> None:
    """As `lock_imports`, but waits for the one that runs: for jobs, which nobody sits in front of."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _campaign(session: Session, slug: str, policy: str | None) -> Campaign | None:
    wanted = campaigns.parse_policy(policy) if policy is not None else None
    campaign = session.exec(select(Campaign).where(Campaign.slug == campaigns.check_slug(slug))).first()
    if campaign is not None and wanted is not None:
        now = campaigns.current_policy(session, campaign)
        if (now.rule, now.overlap) != wanted:
            raise Conflict(
                f"The campaign “{slug}” has the policy {now.rule}-{now.overlap}, not {policy}: "
                "leave the policy out, or choose a new slug."
            )
    return campaign


def _read(table: Table, faults: list[Fault]) -> list[tuple[ClaimRow, Table]]:
    raw, found = read_table(table)
    faults += found
    if missing := column_faults(table, raw) if raw else []:
        faults += missing
        return []
    claims = []
    for row in raw:
        claim = parse(row, table)
        if isinstance(claim, list):
            faults += claim
        else:
            claims.append((claim, table))
    return claims


def _pictures_by_hash(session: Session) -> dict[str, int]:
    return dict(session.execute(sa.select(col(Image.sha256), col(Image.phash))).all())


def _look(
    rows: list[FiledRow],
    storage: Storage | None,
    known: set[str],
    looks: dict[Path, Look],
    faults: list[Fault],
    progress: Progress | None,
) -> None:
    """Looks at every file once, and stops storing at the first one that is no image."""
    named = {path: (row, part) for row in reversed(rows) for part, path in row.files.items()}
    for done, look in enumerate(
        pictures.look_at_all(((path, path.name) for path in named), known, storage, stop_storing=lambda: bool(faults)),
        start=1,
    ):
        looks[look.path] = look
        if look.error is not None:
            row, part = named[look.path]
            field = "image_path" if part == "image" else REFERENCES[part]
            faults.append(fault_in(row.claim.raw, field, look.error))
        if progress is not None:
            progress(done, len(named))


def _duplicates(
    session: Session,
    campaign: Campaign | None,
    new: list[FiledRow],
    looks: Mapping[Path, Look],
    known: Mapping[str, int],
) -> list[Duplicate]:
    there: dict[str, Picture] = {}
    if campaign is not None and new:
        query = sa.select(col(Item.key), col(Item.image_sha256)).where(col(Item.campaign_id) == campaign.id)
        there = {key: Picture(sha256, known[sha256]) for key, sha256 in session.execute(query)}
    added = {}
    for row in new:
        look = looks[row.files["image"]]
        if look.error is None:
            added[row.claim.key] = Picture(look.sha256, look.facts.phash if look.facts else known[look.sha256])
    return duplicates.find(added, there)


def _in_reading_order(faults: list[Fault], tables: list[Table]) -> list[Fault]:
    order = {table.shown: n for n, table in enumerate(tables)}
    return sorted(faults, key=lambda fault: (order.get(fault.file, -1), fault.row or 0))
