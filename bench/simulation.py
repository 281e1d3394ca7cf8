"""Fixed 3 beside adaptive overlap, with planted truth: `python -m bench.simulation [--seed N] [--work FOLDER]`.

Composes 5,000 items and 100 more whose answers are known, a tenth of their claims wrong (half of those known), imports
them once a policy, lets the same crowd judge each campaign through `terroir simulate` until no work is left, and prints
what came of it as a table. `docs/agreement.md` quotes it. All of it hangs on the seed alone: the ids that the database
would draw at random, and by which it mixes items, are replaced by ones that follow from names.

With `--work` the folder is kept and what is in it already is used; the file NAME-seed-N.json then holds all figures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from app.campaigns.parameters import ADAPTIVE_DEFAULTS
from app.cli.simulation_outcome import caught, in_words
from app.db.embedded import embedded_postgres
from app.items.writing import shuffle_of
from app.settings import ROOT

TERROIR: Final = Path(sys.executable).parent / "terroir"
ITEMS: Final = 5_000
GOLD: Final = 100
ANNOTATORS: Final = 40
COMPOSED_WITH: Final = 1
"""The seed of the items. That of the crowd is another matter."""
GOLD_SCREEN: Final = ADAPTIVE_DEFAULTS.model_dump(include={"gold_first", "gold_last", "screen_answers"})
POLICIES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "fixed-3": ("fixed-3", {}),
    "fixed-3-gold": ("fixed-3", GOLD_SCREEN),
    "adaptive": ("adaptive", {}),
}
"""{name: (the policy an import names, what is changed in its parameters)}. The second has adaptive's gold screen."""
LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="the crowd's; the items are the same for all")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--gold", type=int, default=GOLD)
    parser.add_argument("--annotators", type=int, default=ANNOTATORS)
    parser.add_argument("--policy", action="append", choices=POLICIES, help="these alone; may be given again")
    parser.add_argument("--seeds", type=Path, default=ROOT.parent / "shared" / "seeds", help="the photographs")
    parser.add_argument("--work", type=Path, help="a folder to keep")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="terroir-simulation-") as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        os.environ["TERROIR_HOME"] = str(work / "home")
        found = {name: _campaign(work, name, options) for name in options.policy or POLICIES}
    print(table(found), flush=True)


def _campaign(work: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The document `terroir simulate --json` prints of this policy's campaign."""
    slug = f"{name}-seed-{options.seed}"
    kept = work / f"{slug}.json"
    if not kept.exists():
        if not (work / "items").exists():
            count = str(options.items + options.gold)
            what = ("--seeds", options.seeds, "--out", work / "items", "--items", count, "--seed", str(COMPOSED_WITH))
            _run("compose", *what, "--truth", work / "truth.csv", "--gold", str(options.gold))
        rule, parameters = POLICIES[name]
        _run("import", work / "items", "--campaign", slug, "--policy", rule)
        with embedded_postgres(work / "home") as url, psycopg.connect(url) as connection:
            _give_names(connection, slug)
            connection.execute(
                "UPDATE policy SET parameters = parameters || %s FROM campaign "
                "WHERE campaign.id = policy.campaign_id AND slug = %s",
                (json.dumps(parameters), slug),
            )
        crowd = ("--annotators", str(options.annotators), "--seed", str(options.seed))
        text = _run("simulate", "--campaign", slug, *crowd, "--truth", work / "truth.csv", "--json")
        kept.write_text(text, encoding="utf-8")
    document: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return document


def _run(*words: str | Path) -> str:
    started = time.monotonic()
    text = subprocess.run([TERROIR, *words], check=True, stdout=subprocess.PIPE, text=True)
    print(f"terroir {words[0]} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return text.stdout


def _give_names(connection: psycopg.Connection, slug: str) -> None:
    """Ids, the random order and the day a new campaign was founded follow from its name and its items' keys."""
    old = connection.execute("SELECT id FROM campaign WHERE slug = %s", (slug,)).fetchone()
    assert old is not None
    campaign = uuid.uuid5(uuid.NAMESPACE_URL, slug)
    items = [
        (id_, uuid.uuid5(campaign, key), shuffle_of(campaign, key))
        for id_, key in connection.execute("SELECT id, key FROM item WHERE campaign_id = %s", old)
    ]
    connection.execute("SET session_replication_role = replica")  # no foreign key looks before all have changed
    connection.execute("CREATE TEMPORARY TABLE name (old uuid PRIMARY KEY, new uuid, shuffle real) ON COMMIT DROP")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO name VALUES (%s, %s, %s)", [(old[0], campaign, None), *items])
    columns = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_type = 'BASE TABLE' AND table_schema = 'public' "
        "AND (column_name IN ('campaign_id', 'item_id') OR table_name IN ('campaign', 'item') AND column_name = 'id')"
    ).fetchall()
    for table_name, column in columns:
        connection.execute(f"UPDATE {table_name} SET {column} = name.new FROM name WHERE {column} = name.old")  # type: ignore[call-overload]
    connection.execute("UPDATE item SET shuffle = name.shuffle FROM name WHERE item.id = name.new")
    connection.execute("UPDATE campaign SET created_at = %s WHERE id = %s", (LONG_AGO, campaign))
    connection.execute("SET session_replication_role = origin")


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """As Markdown, a column a policy.

    Shares carry Wilson's interval.
    """
    results = {name: document["outcome"] for name, document in found.items()}
    rows: dict[str, list[str]] = {
        "judgments per item": [f"{of['judgments']['per_item']:.2f}" for of in results.values()],
        "… with gold, tests and surplus": [f"{of['judgments']['per_item_in_all']:.2f}" for of in results.values()],
    }
    for status in ("approved", "rejected", "disputed", "pending"):
        rows[status] = [f"{of['items'][status]:,}" for of in results.values()]
    rows["wrongly approved, of the approved"] = [in_words(of["wrongly_approved"]) for of in results.values()]
    rows["… with hard faults alone"] = [f"{of['wrongly_approved']['only_hard']:,}" for of in results.values()]
    rows["wrongly rejected, of the rejected"] = [in_words(of["wrongly_rejected"]) for of in results.values()]
    rows["good items refused"] = [in_words(of["good_refused"]) for of in results.values()]
    rows["spammers caught"] = ["{} of {}".format(*caught(of, spammers=True)) for of in results.values()]
    rows["others left out"] = ["{} of {}".format(*caught(of, spammers=False)) for of in results.values()]
    rows["judgments by insiders"] = [in_words(of["by_insiders"]) for of in results.values()]
    rows["audit's estimate of wrongly approved"] = [
        in_words(of["audit"]["share_wrong"] | {"n": of["audit"]["wrong"], "of": of["audit"]["n"]})
        if of["audit"]
        else "-"
        for of in results.values()
    ]
    rows["seconds"] = [f"{document['seconds']:,.0f}" for document in found.values()]
    head = [f"| | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    return "\n".join(head + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()])


if __name__ == "__main__":
    main()
