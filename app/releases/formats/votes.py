"""The judgments behind a release: raw (a row an item, question and annotator) and added up (an item and question)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from app.judgments.service import question_keys
from app.releases.formats.columns import TEXT_LIST, with_features
from app.releases.snapshot import FrozenItem

AGGREGATED_SCHEMA = with_features(
    pa.schema(
        [
            ("item_id", pa.string()),
            ("image_path", pa.string()),
            ("split", pa.string()),
            ("family", pa.string()),
            ("subtask", pa.string()),
            ("question", pa.string()),
            ("n", pa.int32()),
            ("n_yes", pa.int32()),
            ("n_no", pa.int32()),
            ("n_unsure", pa.int32()),
            ("majority", pa.string()),
            ("posterior", pa.float64()),
            ("decision", pa.string()),
            ("method", pa.string()),
            ("rule", pa.string()),
        ]
    )
)
"""Counted judgments only. `majority` is the answer more than half of them gave, or null; `posterior`, `decision`,
`method` and `rule` are the item's. `posterior` is null where the rule computes none."""

RAW_SCHEMA = with_features(
    pa.schema(
        [
            ("item_id", pa.string()),
            ("image_path", pa.string()),
            ("split", pa.string()),
            ("question", pa.string()),
            ("annotator", pa.string()),
            ("answer", pa.string()),
            ("reasons", TEXT_LIST),
            ("correction", pa.string()),
            ("status", pa.string()),
            ("is_simulated", pa.bool_()),
            ("revision", pa.int32()),
            ("policy_version", pa.int32()),
            ("language", pa.string()),
            ("active_ms", pa.int64()),
            ("judged_at", pa.timestamp("us", tz="UTC")),
        ]
    )
)
"""`status` is counted, surplus or earlier (see `snapshot.Vote`); `policy_version` says which wording was asked,
`language` in which language; `active_ms` is for the whole item."""


def aggregated_rows(frozen: FrozenItem, split: str) -> Iterator[dict[str, Any]]:
    decision = frozen.decision
    for question in question_keys(frozen.item.subtask):
        given = [vote.answers[question]["answer"] for vote in frozen.counted if question in vote.answers]
        tally = Counter(given)
        yield {
            "item_id": str(frozen.item.id),
            "image_path": frozen.item.key,
            "split": split,
            "family": frozen.plan.family,
            "subtask": frozen.item.subtask.value,
            "question": question,
            "n": len(given),
            "n_yes": tally["yes"],
            "n_no": tally["no"],
            "n_unsure": tally["unsure"],
            "majority": next((answer for answer, count in tally.items() if 2 * count > len(given)), None),
            "posterior": decision.posterior,
            "decision": decision.outcome.value,
            "method": decision.method.value,
            "rule": decision.rule,
        }


def raw_rows(frozen: FrozenItem, split: str, policy_versions: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    for question in question_keys(frozen.item.subtask):
        for vote in frozen.votes:
            if (given := vote.answers.get(question)) is None:
                continue
            yield {
                "item_id": str(frozen.item.id),
                "image_path": frozen.item.key,
                "split": split,
                "question": question,
                "annotator": vote.annotator,
                "answer": given["answer"],
                "reasons": given.get("reasons") or [],
                "correction": given.get("correction"),
                "status": vote.status,
                "is_simulated": vote.is_simulated,
                "revision": vote.revision,
                "policy_version": policy_versions[vote.policy_id],
                "language": vote.language,
                "active_ms": vote.active_ms,
                "judged_at": vote.judged_at,
            }
