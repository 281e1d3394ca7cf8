"""Files of predictions made elsewhere, one reader a shape: each row becomes what was said about which image."""

import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from app.evaluation.replies import MAX_REPLY
from app.items.rows import cell_text, shown, storable_faults
from app.items.tables import Fault, RawRow, Table, read_table

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
HEAD_KEY: Final = b"terroir"
"""Where a Parquet export's schema keeps the document about its run; other exports have it beside them."""
HEAD_SUFFIX: Final = ".spec.json"
_MAX_HEAD_BYTES: Final = 2**20


class Format(enum.StrEnum):
    """`csv` is any table with our column names; `auto` tells the others by their columns."""

    AUTO = "auto"
    TERROIR = "terroir"
    CSV = "csv"
    LMMS_EVAL = "lmms-eval"
    VLMEVALKIT = "vlmevalkit"


class Named(NamedTuple):
    """How a row names its image, as written; any may be ""."""

    item_id: str = ""
    image_sha256: str = ""
    image_path: str = ""


class Given(NamedTuple):
    """One row: the image it names, and what came of the question.

    `text` is the reply; where there is none, `food` and `country` are what some other parser read in it. `finish` is
    how its engine ended, `error` why there is no reply.
    """

    row: int
    named: Named
    slot: int = 1
    repeat: int = 0
    text: str | None = None
    food: str | None = None
    country: str | None = None
    finish: str | None = None
    error: str | None = None
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Read(NamedTuple):
    """`head` is the document about the run that an export of ours carries."""

    format: Format
    rows: list[Given]
    head: dict[str, Any] | None
    faults: list[Fault]


class _BadCell(Exception):
    """The field and the sentence."""


def read_predictions(path: Path, wanted: Format = Format.AUTO) -> Read:
    """Every row that can be read, and a fault for each that can't."""
    form, name = wanted, path.name
    if not path.is_file():
        return Read(form, [], None, [Fault(name, None, None, "There is no such file.")])
    if path.suffix.lower() not in SUFFIXES:
        return Read(form, [], None, [Fault(name, None, None, _unreadable(path.suffix.lower()))])
    table, faults = read_table(Table(path, name, path.parent, None, None))
    if table and form is Format.AUTO:
        form = _format_of(table[0].values)
    if table and (missing := _missing_columns(form, table[0].values)):
        return Read(form, [], None, [*faults, Fault(name, None, None, missing)])
    rows: list[Given] = []
    for raw in table:
        try:
            rows.append(_READERS[form](raw))
        except _BadCell as bad:
            field, message = bad.args
            faults.append(Fault(name, raw.row, field, message))
    head, fault = _head(path) if form is Format.TERROIR else (None, None)
    return Read(form, rows, head, [*faults, *([fault] if fault else [])])


def _unreadable(suffix: str) -> str:
    if suffix in (".xlsx", ".xls"):
        return (
            "Spreadsheets are not read: save the sheet as CSV or TSV, or let VLMEvalKit write one (PRED_FORMAT=tsv in "
            "its environment)."
        )
    return f"This is no table of predictions: give a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file."


def _format_of(columns: dict[str, Any]) -> Format:
    if "run_id" in columns and "state" in columns:
        return Format.TERROIR
    if "filtered_resps" in columns or "resps" in columns:
        return Format.LMMS_EVAL
    return Format.VLMEVALKIT if "prediction" in columns else Format.CSV


def _missing_columns(form: Format, columns: dict[str, Any]) -> str | None:
    """The sentence, if the first row lacks what this format can't do without."""
    if form is Format.TERROIR:
        missing = [name for name in ("item_id", "slot", "raw_text", "state") if name not in columns]
        return f"An export of ours also has {', '.join(missing)}: export the run again." if missing else None
    if form is Format.LMMS_EVAL:
        return None if {"filtered_resps", "resps"} & columns.keys() else "There is neither filtered_resps nor resps."
    known = [*Named._fields, *(["index"] if form is Format.VLMEVALKIT else [])]
    if not columns.keys() & set(known):
        return f"No column says which image a row is about: name it by {', '.join(known[:-1])} or {known[-1]}."
    if form is Format.VLMEVALKIT:
        return None if "prediction" in columns else "VLMEvalKit writes replies in a column prediction; there is none."
    if "raw_text" in columns and {"food", "country"} & columns.keys():
        return "Give either raw_text, the replies as they came, or food and country, not both: leave some out."
    if "raw_text" not in columns and not {"food", "country"} <= columns.keys():
        return "Give the replies in a column raw_text, or what they say in two columns food and country."
    return None


def _head(path: Path) -> tuple[dict[str, Any] | None, Fault | None]:
    """The document about the run: in a Parquet file's schema, else in the file beside it."""
    if path.suffix.lower() == ".parquet":
        try:
            data = (pq.read_schema(path).metadata or {}).get(HEAD_KEY)
        except (pa.ArrowException, OSError):
            return None, None  # reading the table has said so already
        place = path.name
    else:
        beside = path.with_name(path.name + HEAD_SUFFIX)
        place = beside.name
        try:
            with beside.open("rb") as file:
                data = file.read(_MAX_HEAD_BYTES + 1)
        except OSError:
            return None, None
    if data is None:
        return None, None
    try:
        head = json.loads(data) if len(data) <= _MAX_HEAD_BYTES else None
    except (ValueError, RecursionError):
        head = None
    is_told = isinstance(head, dict) and isinstance(head.get("spec"), dict | None)
    if not isinstance(head, dict) or not is_told or storable_faults(RawRow(place, 0, head)):
        message = "What it says of its run can't be read: export it again, or delete this and name model and strategy."
        return None, Fault(place, None, None, message)
    return head, None


def _from_terroir(raw: RawRow) -> Given:
    state, text = cell_text(raw.values["state"]), _text(raw, "raw_text")
    error = _text(raw, "error") or None
    if state == "failed" and error is None:
        error = "The question failed; the export does not say why."
    # Names that another parser than today's read are taken only where there is no reply to read again.
    is_bare = state == "ok" and text == ""
    finish = cell_text(raw.values.get("finish", "")) or {"refused": "refusal", "truncated": "length"}.get(state)
    return Given(
        raw.row,
        _named(raw.values),
        slot=_number(raw, "slot", 1),
        repeat=_number(raw, "repeat", 0),
        text=None if error or is_bare else text,
        food=_text(raw, "pred_name") or None if is_bare else None,
        country=_text(raw, "pred_country") or None if is_bare else None,
        finish=None if error else finish,
        error=error,
        latency_ms=_number(raw, "latency_ms", None),
        input_tokens=_number(raw, "input_tokens", None),
        output_tokens=_number(raw, "output_tokens", None),
    )


def _from_csv(raw: RawRow) -> Given:
    error = _text(raw, "error") or None
    is_text = "raw_text" in raw.values
    return Given(
        raw.row,
        _named(raw.values),
        slot=_number(raw, "slot", 1),
        text=_text(raw, "raw_text") if is_text and not error else None,
        food=None if is_text else _text(raw, "food") or None,
        country=None if is_text else _text(raw, "country") or None,
        error=error,
    )


def _from_lmms_eval(raw: RawRow) -> Given:
    """A line of `*_samples_*.jsonl` (lmms_eval/loggers/evaluation_tracker.py, save_results_samples).

    It keeps neither the row of the data set nor the whole path of its image, so the task has to name the item: by its
    `target` (`doc_to_target: item_id`), by `input_media`, or by `doc`, which older versions wrote. `resps` is there
    only where a filter changed the reply.
    """
    values = raw.values
    doc = values["doc"] if isinstance(values.get("doc"), dict) else {}
    named = _named(doc) if any(_named(doc)) else _named(values)
    if not any(named):
        media = values.get("input_media")
        first = media[0] if isinstance(media, list) and len(media) == 1 else ""
        named = Named(item_id=cell_text(values.get("target", "")), image_path=cell_text(first))
    texts = _leaves(values["resps"] if values.get("resps") else values.get("filtered_resps", ""))
    if len(texts) > 1:
        raise _BadCell("resps", f"This line holds {len(texts)} replies; log one a line (repeats: 1).")
    text = _bounded(texts[0] if texts else "", "resps")
    slot = doc.get("slot") or values.get("slot") or 1
    return Given(
        raw.row,
        named,
        slot=_number(raw._replace(values={"slot": slot}), "slot", 1),
        text=text or None,
        # Its API models write an empty reply when every attempt failed (models/simple/openai_compatible.py).
        error=None
        if text.strip()
        else "lmms-eval logged an empty reply, which is what it writes for a failed request.",
    )


_VLMEVALKIT_FAILED: Final = "Failed to obtain answer"
"""How the `prediction` of a failed request begins (vlmeval/inference.py, FAIL_MSG, and its SKIP_ERR)."""


def _from_vlmevalkit(raw: RawRow) -> Given:
    """A row of a prediction file: the data set's own columns less `image`, and `prediction`."""
    named = _named(raw.values)
    if not any(named):
        index = cell_text(raw.values.get("index", ""))
        named = Named(item_id=index, image_path=index)
    text = _text(raw, "prediction")
    has_failed = text.lstrip().startswith(_VLMEVALKIT_FAILED)
    return Given(
        raw.row, named, slot=_number(raw, "slot", 1), text=None if has_failed else text,
        error=text.strip()[:500] if has_failed else None,
    )  # fmt: skip


def _named(values: dict[str, Any]) -> Named:
    return Named(*(cell_text(values.get(name, "")) for name in Named._fields))


def _text(raw: RawRow, field: str) -> str:
    value = raw.values.get(field, "")
    return _bounded(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), field)


def _bounded(text: str, field: str) -> str:
    if len(text) > MAX_REPLY:
        raise _BadCell(field, f"This text has {len(text):,} characters; at most {MAX_REPLY:,} are taken: cut it.")
    return text


def _number(raw: RawRow, field: str, otherwise: Any) -> Any:
    """A whole number from 0 to 32,767 for keys, to 2^31 for measures; `otherwise` where the cell is empty."""
    text = cell_text(raw.values.get(field, ""))
    if text == "":
        return otherwise
    most = 2**31 - 1 if otherwise is None else 2**15 - 1
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= most):
        raise _BadCell(field, f"“{shown(text)}” is no whole number from 0 to {most:,}.")
    return int(text)


def _leaves(value: Any, depth: int = 0) -> list[str]:
    """The texts in a list of lists of texts."""
    if isinstance(value, list) and depth < 4:
        return [leaf for inner in value for leaf in _leaves(inner, depth + 1)]
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]


_READERS: Final[dict[Format, Callable[[RawRow], Given]]] = {
    Format.TERROIR: _from_terroir,
    Format.CSV: _from_csv,
    Format.LMMS_EVAL: _from_lmms_eval,
    Format.VLMEVALKIT: _from_vlmevalkit,
}


def tool_of(form: Format) -> str | None:
    return {Format.TERROIR: "Terroir", Format.LMMS_EVAL: "lmms-eval", Format.VLMEVALKIT: "VLMEvalKit"}.get(form)
