"""README.md: the dataset card, with the front matter by which Hugging Face finds the files of each split."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.campaigns.parameters import ADAPTIVE
from app.releases.formats.manifest import LICENCE
from app.releases.snapshot import AGAINST_GOLD

_SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]


def card(manifest: Mapping[str, Any], splits: Sequence[str]) -> bytes:
    """The card for a manifest; `splits` are those that hold items."""
    return (_front_matter(manifest, splits) + _text(manifest, splits)).encode()


def size_category(items: int) -> str:
    """
    >>> size_category(97), size_category(23_766)
    ('n<1K', '10K<n<100K')
    """
    return next((name for limit, name in _SIZES if items < limit), "1M<n<10M")


def _front_matter(manifest: Mapping[str, Any], splits: Sequence[str]) -> str:
    data_files = "".join(f"\n  - split: {split}\n    path: data/{split}-*.parquet" for split in splits)
    title = f"{manifest['campaign']['name']} {manifest['version']}"
    return f"""---
pretty_name: {json.dumps(title, ensure_ascii=False)}
license: {LICENCE}
language:
- en
size_categories:
- {size_category(manifest["counts"]["items"])}
task_categories:
- visual-question-answering
- image-classification
tags:
- food
- culture
- human-verified
- culture-mixing
- croissant
configs:
- config_name: default
  default: true
  data_files:{data_files}
- config_name: aggregated
  data_files:
  - split: votes
    path: items.parquet
- config_name: judgments
  data_files:
  - split: votes
    path: judgments.parquet
---
"""


def _text(manifest: Mapping[str, Any], splits: Sequence[str]) -> str:
    counts = manifest["counts"]
    rule, campaign = manifest["rule"], manifest["campaign"]
    decided = ", ".join(f"`{name}` ({count:,})" for name, count in rule["decided_by"].items())
    by_status = dict(counts["excluded"])
    n_against = by_status.pop(AGAINST_GOLD, 0)
    excluded = ", ".join(f"{count:,} {status}" for status, count in by_status.items())
    against = {0: "", 1: " 1 approved item is not here either: a known answer contradicts its approval."}.get(
        n_against, f" {n_against:,} approved items are not here either: a known answer contradicts their approval."
    )
    split_rows = [
        (f"`{split}`", f"{counts['by_split'][split]:,}", f"{counts['families_by_split'][split]:,}") for split in splits
    ]
    most = "at most " if rule["name"] == ADAPTIVE else ""
    neutralised = sum(manifest["neutralised_cells"].values())
    simulated = (
        f"\n> **{manifest['simulated_judgments']:,} judgments here were made by simulated annotators.** They try the "
        "software out; this release says nothing about what people see.\n"
        if manifest["includes_simulated"]
        else ""
    )
    return f"""
# {_plain(campaign["name"])}, release {manifest["version"]}

{counts["items"]:,} images of dishes, alone, side by side or in front of a place, each approved by people who answered
question by question whether it shows what it claims. Built by Terroir {manifest["software"]["version"]} from the
campaign `{campaign["slug"]}`; the newest decision in it is of {manifest["frozen_at"]}.
{simulated}
## Load it

```python
from datasets import load_dataset

items = load_dataset("path/to/this/folder")                   # images and what they claim
votes = load_dataset("path/to/this/folder", "aggregated")     # an item and question a row
raw = load_dataset("path/to/this/folder", "judgments")        # an annotator's answer a row
```

Check it with `sha256sum -c SHA256SUMS` or `terroir release verify`.

## What is in it

{_table(("Split", "Items", "Families"), split_rows)}

{_table(("Subtask", "Items"), [(name, f"{count:,}") for name, count in counts["by_subtask"].items()])}

SF is one food, MF two foods, SFB one food and a background, MFB two foods and a background. Not approved and therefore
not here: {excluded}.{against}

A family is all items whose first food is the same dish. Splits divide families, never items, so no first food is in
two of them; the *second* food of an MF or MFB item may well be the first food of another split's family.

- `data/`: Parquet, an item a row, the original image bytes inside. Countries stand as written; `*_codes` are ISO ones.
- `metadata/` and `images/`: the CultureMix layout in its source's spelling; `image_path` is below `images/`. A cell
  that a spreadsheet would run as a formula has an apostrophe before it ({neutralised:,} here); Parquet is exact.
- `webdataset/`: the same items as tar shards.
- `items.parquet`: votes counted up, an item and question a row. `judgments.parquet`: every vote, annotators under
  pseudonyms; `surplus` ones came after the item had enough, `earlier` ones before it was judged anew; neither
  is counted.
- `manifest.json`, `SHA256SUMS`, `croissant.json`: this release for programs.

## How it was judged

{counts["judgments"]:,} counted judgments by {counts["annotators"]:,} annotators. Rule `{rule["name"]}` with
{most}{rule["overlap"]} judgments an item; decided by {decided}. The wording is version {manifest["wording_version"]};
every question with its reasons stands in `manifest.json`.

{_audit(manifest["audit"])}{_agreement(manifest["agreement"])}

## Licence

Creative Commons Attribution-ShareAlike 4.0, the licence of the CultureMix benchmark (E. Kim et al., 2025,
arXiv 2511.22787): keep the attribution. Images composed from other photographs also keep those photographs' terms;
`ATTRIBUTION.csv`, where there is one, names their authors and licences.
"""


def _audit(audit: Mapping[str, Any] | None) -> str:
    if audit is None:
        return ""
    return f"{audit['words']} A posterior, where one stands beside an item, is not an error rate.\n\n"


def _agreement(agreement: Mapping[str, Any]) -> str:
    names = ["percent_agreement", "krippendorff_alpha", "fleiss_kappa", "gwet_ac1"]
    rows = [
        (f"`{question}`", f"{report['n_items_paired']:,}", *(_estimate(report[name]) for name in names))
        for question, report in agreement["questions"].items()
    ]
    if not rows:
        return "No two judgments can be compared, so agreement was not measured."
    head = ("Question", "Items", "Agreement", "Krippendorff's alpha", "Fleiss' kappa", "Gwet's AC1")
    simulated = agreement["simulated_judgments"]
    said = f" {simulated:,} of the campaign's judgments are by simulated annotators." if simulated else ""
    return f"{agreement['basis']}{said} In brackets: 95 % intervals.\n\n{_table(head, rows)}"


def _estimate(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return f"undefined ({estimate['reason']})"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _plain(text: str) -> str:
    """A campaign's name on one line, with nothing Markdown or HTML would take for its own."""
    return "".join("\\" + letter if letter in "\\`*_[]<>#|" else letter for letter in " ".join(text.split()))
