"""Predictions made elsewhere become a run, marked as imported: every row is checked first, then all or none is kept."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import UNSTORABLE, now
from app.errors import Invalid
from app.evaluation.driving import keep_rows, row_of
from app.evaluation.engines import Reply
from app.evaluation.interchange.formats import Format, Given, Named, Read, read_predictions, tool_of
from app.evaluation.models import Run
from app.evaluation.plan import Asked, Subset, plan, spec_sha256
from app.evaluation.prompts import Strategy
from app.evaluation.reading import ReleasedItem
from app.evaluation.released import released_items
from app.evaluation.replies import MAX_VALUE, PARSER_VERSION, State, storable
from app.evaluation.scoring import states_of
from app.evaluation.service import status_at_end
from app.items.models import Subtask
from app.items.rows import shown
from app.items.tables import Fault
from app.releases.models import Release
from app.storage import Storage

MAX_MODEL: Final = 200
FINISHES: Final = ("stop", "length", "refusal")
_ROWS_A_STATEMENT: Final = 1000


class ImportReport(NamedTuple):
    """`run` is None when there are errors. `missing` counts planned questions of which the file says nothing."""

    run: Run | None
    format: Format
    added: int
    unchanged: int
    planned: int
    missing: int
    states: dict[str, int]
    errors: list[Fault]

    def as_json(self) -> dict[str, Any]:
        return {
            "run_id": str(self.run.id) if self.run else None,
            "status": self.run.status.value if self.run else None,
            "format": self.format.value,
            "added": self.added,
            "unchanged": self.unchanged,
            "planned": self.planned,
            "missing": self.missing,
            "states": self.states,
            "errors": [fault._asdict() for fault in self.errors],
        }


class _Claim(NamedTuple):
    """What an import says it is."""

    model: str
    strategy: Strategy
    subset: Subset
    seed: int


def import_predictions(
    session: Session,
    storage: Storage,
    release: Release,
    path: Path,
    *,
    model: str | None = None,
    strategy: Strategy | None = None,
    subtasks: Sequence[Subtask] = (),
    form: Format = Format.AUTO,
) -> ImportReport:
    """Keeps the predictions of a file as a run of this release, or says of every row why not.

    An export of ours names its model, strategy and subset itself; of any other file `subtasks` says which part of the
    release it is about. The same file, release, model and strategy are the same run, and change nothing the second
    time. Raises Invalid, NothingToAsk, NotPublished and DamagedRelease.
    """
    read = read_predictions(path, form)
    if not read.rows:
        return _refused(read, read.faults)
    claim = _claim(read, model, strategy, subtasks)
    asked = plan(released_items(storage, release), claim.subset, claim.seed)
    found, faults = _matched(read, path.name, asked, release.version)
    if read.faults or faults:
        return _refused(read, read.faults + faults, len(asked))
    source = _source(read, path)
    spec = _spec(release, claim, read, source)
    sha256 = spec_sha256(spec)
    key = int.from_bytes(bytes.fromhex(sha256[:16]), "big", signed=True)
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    run = session.exec(select(Run).where(Run.spec_sha256 == sha256, col(Run.is_imported))).first()
    is_new = run is None
    if run is None:
        run = Run(
            release_id=release.id, model=claim.model, engine=spec["engine"]["name"], strategy=claim.strategy.value,
            seed=claim.seed, subset=claim.subset.as_json(), spec=spec, spec_sha256=sha256, is_imported=True,
            source=source | {"spec": (read.head or {}).get("spec")}, planned=len(asked), started_at=now(),
        )  # fmt: skip
        session.add(run)
        session.flush()
        _keep(session, run.id, found)
        run.status, run.finished_at = status_at_end(session, run), now()
        session.flush()
    return ImportReport(
        run,
        read.format,
        added=len(found) if is_new else 0,
        unchanged=0 if is_new else len(found),
        planned=len(asked),
        missing=len(asked) - len({(one.item.item_id, one.slot) for one, _ in found}),
        states=states_of(session, run.id),
        errors=[],
    )


def _refused(read: Read, faults: Sequence[Fault], planned: int = 0) -> ImportReport:
    ordered = sorted(faults, key=lambda fault: fault.row or 0)
    return ImportReport(None, read.format, 0, 0, planned, 0, {}, ordered)


def _claim(read: Read, model: str | None, strategy: Strategy | None, subtasks: Sequence[Subtask]) -> _Claim:
    head = read.head or {}
    try:
        subset = (
            _subset(head["subset"])
            if "subset" in head
            else Subset(tuple(subtasks), None, tuple(sorted({row.slot for row in read.rows})))
        )
        seed = int(head.get("seed", 0))
        named = model or str(head.get("model") or "")
        how = strategy or (Strategy(head["strategy"]) if "strategy" in head else None)
        if not 0 <= seed < 2**31:
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise Invalid(
            "The document about the run, beside or in the export, is damaged; export the run again."
        ) from None
    if how is None or not named:
        raise Invalid("Say which model these predictions are of and how it was asked: --model NAME --strategy base.")
    if len(named) > MAX_MODEL or UNSTORABLE.search(named) or not named.isprintable():
        raise Invalid(f"A model's name is one line of at most {MAX_MODEL} printable characters; shorten or mend it.")
    return _Claim(named, how, subset, seed)


def _subset(document: Any) -> Subset:
    """Raises ValueError, TypeError and AttributeError for what no export of ours says."""
    subset = Subset.of(document)
    limit, slots = subset.limit, set(subset.slots)
    if not (limit is None or (type(limit) is int and limit > 0)) or not slots or not slots <= {1, 2}:
        raise ValueError
    return subset


def _matched(
    read: Read, name: str, asked: Sequence[Asked], version: str
) -> tuple[list[tuple[Asked, Given]], list[Fault]]:
    """Each row beside its question, in the order of the plan."""
    index = _Index({one.item.item_id: one.item for one in asked}.values(), version)
    place = {(one.item.item_id, one.slot): number for number, one in enumerate(asked)}
    seen: dict[tuple[uuid.UUID, int, int], int] = {}
    matched: list[tuple[int, Asked, Given]] = []
    faults: list[Fault] = []
    for given in read.rows:
        try:
            item = index.find(given.named)
        except _NoItem as none:
            faults.append(Fault(name, given.row, *none.args))
            continue
        key = (item.item_id, given.slot, given.repeat)
        if (item.item_id, given.slot) not in place:
            foods = "one food" if item.subtask.foods == 1 else "two foods"
            faults.append(Fault(name, given.row, "slot", f"Slot {given.slot} is not asked of this item, of {foods}."))
        elif key in seen:
            faults.append(Fault(name, given.row, None, f"Row {seen[key]} answers the same question: keep one of them."))
        else:
            seen[key] = given.row
            number = place[item.item_id, given.slot]
            matched.append((number, asked[number], given))
    matched.sort(key=lambda one: (one[0], one[2].repeat))
    return [(one, given) for _, one, given in matched], faults


class _NoItem(Exception):
    """The field and the sentence."""


class _Index:
    """The items a row may name, by id, image and path."""

    def __init__(self, items: Iterable[ReleasedItem], version: str) -> None:
        self._version = version
        self._maps: dict[str, dict[str, list[ReleasedItem]]] = {field: {} for field in Named._fields}
        for item in items:
            for field, value in zip(
                Named._fields, (str(item.item_id), item.image_sha256, item.image_path), strict=True
            ):
                self._maps[field].setdefault(value, []).append(item)

    def find(self, named: Named) -> ReleasedItem:
        """An id of another installation is no fault where the image is known: the same photographs may stand in both.
        Raises _NoItem."""
        path = named.image_path.removeprefix("./").removeprefix("images/")
        written = Named(named.item_id.lower(), named.image_sha256.lower(), path)._asdict()
        filled = {field: value for field, value in written.items() if value}
        if not filled:
            raise _NoItem("item_id", "This row names no image: fill in item_id, image_path or image_sha256.")
        known = {field: items for field, value in filled.items() if (items := self._maps[field].get(value))}
        if not known:
            field, value = next(iter(filled.items()))
            message = f"No item of release {self._version} that is asked about is “{shown(value)}”: leave the row out."
            raise _NoItem(field, message)
        first, *others = known.values()
        common = [item for item in first if all(item in items for items in others)]
        if not common:
            raise _NoItem(next(iter(known)), f"{' and '.join(known)} name different items: correct one of them.")
        if len(common) > 1:
            message = f"{len(common)} items have this image: name the item by item_id or image_path."
            raise _NoItem(next(iter(known)), message)
        return common[0]


def _source(read: Read, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": storable(path.name), "sha256": sha256, "format": read.format.value, "tool": tool_of(read.format)}


def _spec(release: Release, claim: _Claim, read: Read, source: Mapping[str, Any]) -> dict[str, Any]:
    """What an imported run is named by. Where its export says how it was asked, that is said here too."""
    told = (read.head or {}).get("spec") or {}
    engine = told.get("engine")
    name = engine.get("name") if isinstance(engine, dict) else None
    return {
        "release_manifest_sha256": release.manifest_sha256,
        **claim.subset.as_json(),
        "engine": engine
        if isinstance(name, str) and name.isprintable() and len(name) <= 32
        else {"name": read.format.value},
        "model": claim.model,
        "strategy": claim.strategy.value,
        "prompt": told.get("prompt"),
        "seed": claim.seed,
        "parser_version": PARSER_VERSION,
        "imported": {name: source[name] for name in ("sha256", "format")},
    }


def _keep(session: Session, run_id: uuid.UUID, found: Sequence[tuple[Asked, Given]]) -> None:
    for start in range(0, len(found), _ROWS_A_STATEMENT):
        keep_rows(session, [_row(run_id, one, given) for one, given in found[start : start + _ROWS_A_STATEMENT]])


def _row(run_id: uuid.UUID, one: Asked, given: Given) -> dict[str, Any]:
    """No imported reply has a request's hash, so none is ever taken for the answer to a question of ours."""
    reply = Reply(
        text=storable(given.text) if given.text is not None else None,
        is_cut=given.finish == "length",
        is_refused=given.finish == "refusal",
        error=given.error,
        latency_ms=given.latency_ms,
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
    )
    row = row_of(run_id, one, reply) | {"repeat": given.repeat}
    if given.error is None and given.text is None:
        names = (given.food, given.country)
        food, country = (storable(" ".join(name.split())[:MAX_VALUE]) or None if name else None for name in names)
        state = State.OK if food or country else State.UNPARSABLE
        row |= {"pred_name": food, "pred_country": country, "state": state.value}
    if given.finish not in FINISHES:
        row["finish"] = None  # nobody knows
    return row
