"""manifest.json, what a release says of itself as a whole, and SHA256SUMS."""

import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.campaigns.models import Campaign, Policy
from app.judgments.audits import Audit
from app.releases.models import Release
from app.releases.outbox import FileEntry
from app.releases.snapshot import FrozenItem

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
CHECKSUMS = "SHA256SUMS"
LICENCE = "cc-by-sa-4.0"
"""The licence of the CultureMix benchmark, whose images and labels a release holds or follows."""


@dataclass
class Counts:
    """What is counted while the items stream by; `by_country` goes by the first food's countries."""

    items: int = 0
    judgments: int = 0
    simulated: int = 0
    by_subtask: Counter[str] = field(default_factory=Counter)
    by_split: Counter[str] = field(default_factory=Counter)
    by_country: Counter[str] = field(default_factory=Counter)
    by_rule: Counter[str] = field(default_factory=Counter)
    annotators: set[str] = field(default_factory=set)
    families: dict[str, str] = field(default_factory=dict)
    policies: set[int] = field(default_factory=set)

    def add(self, frozen: FrozenItem, split: str) -> None:
        counted = frozen.counted
        self.items += 1
        self.judgments += len(counted)
        self.simulated += sum(vote.is_simulated for vote in frozen.votes)
        self.by_subtask[frozen.item.subtask.value] += 1
        self.by_split[split] += 1
        self.by_country.update(frozen.foods[0].countries)
        self.by_rule[frozen.decision.rule] += 1
        self.annotators.update(vote.annotator for vote in counted)
        self.families[frozen.plan.family] = split
        self.policies.update(vote.policy_id for vote in frozen.votes)
        self.policies.add(frozen.decision.policy_id)

    def as_json(self, excluded: Mapping[str, int]) -> dict[str, Any]:
        return {
            "items": self.items,
            "families": len(self.families),
            "judgments": self.judgments,
            "annotators": len(self.annotators),
            "by_subtask": _in_order(self.by_subtask),
            "by_country": _in_order(self.by_country),
            "by_split": _in_order(self.by_split),
            "families_by_split": _in_order(Counter(self.families.values())),
            "excluded": dict(excluded),
        }


def document(
    release: Release,
    campaign: Campaign,
    policies: Sequence[Policy],
    counts: Counts,
    *,
    frozen_at: str,
    excluded: Mapping[str, int],
    agreement: Mapping[str, Any],
    audit: Audit | None,
    parent: Release | None,
    neutralised: Mapping[str, int],
) -> dict[str, Any]:
    """The manifest without its files. `policies` are those that judgments or decisions here were made under; `audit` is
    null for a campaign that asks for none."""
    current = next(policy for policy in policies if policy.version == campaign.policy_version)
    return {
        "schema_version": SCHEMA_VERSION,
        "version": release.version,
        "campaign": {"slug": campaign.slug, "name": campaign.name},
        "frozen_at": frozen_at,
        "parent": {"version": parent.version, "manifest_sha256": parent.manifest_sha256} if parent else None,
        "software": {"name": "terroir", "version": importlib.metadata.version("terroir")},
        "licence": LICENCE,
        "rule": {"name": current.rule, "overlap": current.overlap, "decided_by": _in_order(counts.by_rule)},
        "wording_version": current.version,
        "policies": [_policy(policy) for policy in policies],
        "seed": release.seed,
        "splits": dict(sorted(release.splits.items())),
        "includes_simulated": counts.simulated > 0,
        "simulated_judgments": counts.simulated,
        "counts": counts.as_json(excluded),
        "agreement": dict(agreement),
        "audit": audit.as_json() if audit else None,
        "neutralised_cells": _in_order(neutralised),
    }


def as_bytes(document: Mapping[str, Any], files: Mapping[str, FileEntry]) -> bytes:
    """The manifest with the files it covers: all but itself and SHA256SUMS."""
    listed = {path: files[path]._asdict() for path in sorted(files)}
    return (json.dumps({**document, "files": listed}, ensure_ascii=False, indent=1) + "\n").encode()


def checksums(files: Mapping[str, FileEntry], manifest_sha256: str) -> bytes:
    """As `sha256sum` prints and `sha256sum -c` reads them: every file but itself."""
    hashes = {path: entry.sha256 for path, entry in files.items()} | {MANIFEST: manifest_sha256}
    return "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes)).encode()


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "version": policy.version,
        "rule": policy.rule,
        "overlap": policy.overlap,
        "parameters": policy.parameters,
        "questions": policy.questions,
    }


def _in_order(counted: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counted.items()))
