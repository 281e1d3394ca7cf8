"""A run as a log that Inspect opens (`inspect view`, `inspect_ai.log.read_eval_log`), written by its JSON schema.

Source: UKGovernmentBEIS/inspect_ai 0.3.285, `inspect log schema`, log format version 2. Readers that stream expect the
parts in the order in which they stand there. Images are named by path and hash, never embedded.
"""

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

from app.evaluation import prompts
from app.evaluation.models import RunStatus
from app.evaluation.prompts import Strategy
from app.items.models import Subtask

LOG_VERSION: Final = 2
SCORER_NAME: Final = "terroir"
ASKED_ELSEWHERE: Final = "What was asked is not known: these predictions were made elsewhere."
_STATUS: Final = {
    RunStatus.FINISHED: "success",
    RunStatus.CANCELLED: "cancelled",
    RunStatus.INCOMPLETE: "error",
    RunStatus.FAILED: "error",
}
_STOP: Final = {"stop": "stop", "length": "max_tokens", "refusal": "content_filter"}
_IN_METADATA: Final = (
    "subtask", "slot", "state", "name_similarity", "pred_country_code", "dish", "food_name", "food_countries",
    "other_food_countries", "background_country", "background_kind", "difficulty", "image_path", "image_sha256",
)  # fmt: skip


def write_inspect(
    file: IO[bytes], head: Mapping[str, Any], metrics: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> None:
    """`head` is the document about the run, `metrics` its metrics document, `rows` those of the export."""
    head, metrics = _in_order(head), _in_order(metrics)
    front = {
        "version": LOG_VERSION,
        "status": _STATUS.get(RunStatus(head["status"]), "started"),
        "eval": _eval(head),
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}, "params_passed": {}}], "config": {}},
        "results": _results(metrics),
        "stats": {
            "started_at": head["created_at"],
            "completed_at": head["finished_at"] or "",
            "model_usage": {},
            "role_usage": {},
            "connection_limit_history": [],
        },
        "invalidated": False,
        "tags": ["imported"] if head["is_imported"] else [],
        "metadata": {},
    }
    known = (head["spec"] or {}).get("prompt") == prompts.describe(Strategy(head["strategy"]))
    file.write(_json(front)[:-1] + b', "samples": [')
    for number, row in enumerate(rows):
        question = ASKED_ELSEWHERE
        if known:
            question = prompts.prompt(Strategy(head["strategy"]), Subtask(row["subtask"]), row["slot"])
        file.write((b",\n" if number else b"\n") + _json(_sample(head, row, question)))
    file.write(b"\n]}\n")


def _eval(head: Mapping[str, Any]) -> dict[str, Any]:
    engine = (head["spec"] or {}).get("engine") or {}
    settings = {name: engine[name] for name in ("temperature", "seed", "max_tokens") if engine.get(name) is not None}
    return {
        "eval_id": head["run_id"],
        "run_id": head["run_id"],
        "created": head["created_at"],
        "task": "terroir",
        "task_id": head["run_id"],
        "task_version": head["release"],
        "task_attribs": {},
        "task_args": {"strategy": head["strategy"]},
        "task_args_passed": {"strategy": head["strategy"]},
        "dataset": {"name": f"release {head['release']}", "samples": head["planned"], "shuffled": False},
        "model": head["model"],
        "model_generate_config": settings,
        "model_args": {},
        "config": {},
        "packages": (head["provenance"] or {}).get("packages", {}),
        "metadata": dict(head),
    }


def _results(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Figures that are undefined are left out: a metric's value is a number there."""
    figures: dict[str, dict[str, Any]] = {}
    for subtask, group in metrics["subtasks"].items():
        for name, estimate in group.items():
            if isinstance(estimate, dict) and isinstance(estimate.get("value"), int | float):
                interval = {"low": estimate["low"], "high": estimate["high"]}
                figures.setdefault(name, {})[subtask] = {
                    "name": subtask, "value": estimate["value"], "params": {}, "metadata": interval,
                }  # fmt: skip
    parts = (metrics["subtasks"], metrics.get("slot2", {}).get("subtasks", {}))
    states = [group["states"] for part in parts for group in part.values()]
    return {
        "total_samples": sum(sum(one.values()) for one in states),
        "completed_samples": sum(count for one in states for state, count in one.items() if state != "failed"),
        "scores": [
            {"name": name, "scorer": SCORER_NAME, "params": {}, "metrics": groups} for name, groups in figures.items()
        ],
        "metadata": dict(metrics),
    }


def _sample(head: Mapping[str, Any], row: Mapping[str, Any], question: str) -> dict[str, Any]:
    text = row["raw_text"] if row["raw_text"] is not None else _as_reply(row)
    has_failed = row["state"] == "failed"
    reply = {"role": "assistant", "content": text, "source": "generate", "model": head["model"]}
    choice = {"message": reply, "stop_reason": _STOP.get(row["finish"], "unknown")}
    sample: dict[str, Any] = {
        "id": f"{row['item_id']}/{row['slot']}",
        "epoch": row["repeat"] + 1,
        "input": question,
        "target": json.dumps({"food": row["food_name"], "country": row["food_countries"]}, ensure_ascii=False),
        "messages": [{"role": "user", "content": question}, *([] if has_failed else [reply])],
        "output": {
            "model": head["model"],
            "choices": [] if has_failed else [choice],
            "completion": "" if has_failed else text,
            "usage": _usage(row),
            "time": row["latency_ms"] / 1000 if row["latency_ms"] is not None else None,
        },
        "metadata": {name: row[name] for name in _IN_METADATA},
        "store": {},
        "events": [],
        "model_usage": {},
        "role_usage": {},
        "attachments": {},
    }
    if row["name_correct"] is not None:
        sample["scores"] = {
            SCORER_NAME: {
                "value": {"name_correct": row["name_correct"], "country_correct": row["country_correct"]},
                "answer": _as_reply(row),
                "history": [],
            }
        }
    if has_failed:
        sample["error"] = {"message": row["error"] or "", "traceback": "", "traceback_ansi": ""}
    return sample


def _as_reply(row: Mapping[str, Any]) -> str:
    return json.dumps({"food": row["pred_name"], "country": row["pred_country"]}, ensure_ascii=False)


def _usage(row: Mapping[str, Any]) -> dict[str, int] | None:
    if row["input_tokens"] is None and row["output_tokens"] is None:
        return None
    given, made = row["input_tokens"] or 0, row["output_tokens"] or 0
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def _in_order(document: Mapping[str, Any]) -> dict[str, Any]:
    """With sorted keys: the database gives them back in another order than they came in."""
    ordered: dict[str, Any] = json.loads(json.dumps(document, sort_keys=True))
    return ordered


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
