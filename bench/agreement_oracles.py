"""Our coefficients beside those of other libraries, on real judgments and on random ones.

irrCAC pins an old scipy, so the libraries live in an environment of their own, made once:

    python3 -m venv /tmp/oracles
    /tmp/oracles/bin/pip install irrCAC==0.4.4 nltk==3.10.4 krippendorff==0.9.0 scikit-learn statsmodels

    /tmp/oracles/bin/python -m bench.agreement_oracles                   # the tables, as Markdown
    /tmp/oracles/bin/python -m bench.agreement_oracles --fixture FILE    # what irrCAC says, for the tests to hold to
"""

import argparse
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
from irrCAC.raw import CAC
from nltk.metrics.agreement import AnnotationTask
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from app.agreement import bootstrap, coefficients
from app.agreement.answers import Answers
from app.agreement.longform import read
from app.agreement.raters import pair_table

WWD_REVIEWS = Path(__file__).parents[1] / "tests" / "agreement" / "data" / "wwd_reviews.csv"
QUESTION = "is_this_dish"
RANDOM_TABLES = 2000
KEPT_TABLES = 40
DIGITS = 9
MEASURES = {
    **bootstrap.NOMINAL,
    "brennan_prediger": coefficients.brennan_prediger,
    "krippendorff_alpha_ordinal": coefficients.krippendorff_alpha_ordinal,
    "gwet_ac2": coefficients.gwet_ac2_ordinal,
}


def ours(answers: Answers) -> dict[str, float | None]:
    found = bootstrap.estimates(answers.patterns(), MEASURES, replicates=0)
    values = {name: estimate.value for name, estimate in found.items()}
    if len(answers.raters) == 2:
        values["cohen_kappa"] = bootstrap.cohen_estimate(pair_table(answers, 0, 1), replicates=0).value
    return values


def theirs(answers: Answers) -> dict[str, dict[str, float | None]]:
    """{library: {coefficient: value}}; None where a library fails or has no number."""
    table = np.full((len(answers.raters), len(answers.items)), np.nan)
    table[answers.rater, answers.item] = answers.category
    n_categories = len(answers.categories)
    several = (~np.isnan(table)).sum(axis=0) >= 2
    found: dict[str, dict[str, float | None]] = defaultdict(dict)

    def ask(library: str, name: str, value: Callable[[], Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                number = float(value())
            except Exception:
                number = (
                    np.nan
                )  # every library has its own errors at the edges: docs/agreement.md says what we do there
        found[library][name] = number if np.isfinite(number) else None

    for name, level in (("krippendorff_alpha", "nominal"), ("krippendorff_alpha_ordinal", "ordinal")):
        ask(
            "krippendorff",
            name,
            lambda level=level: krippendorff.alpha(  # type: ignore[misc]
                table, value_domain=list(range(n_categories)), level_of_measurement=level
            ),
        )
    rows = [
        (str(rater), str(item), str(int(table[rater, item])))
        for item in np.flatnonzero(several)
        for rater in np.flatnonzero(~np.isnan(table[:, item]))
    ]
    ask("nltk", "krippendorff_alpha", lambda: AnnotationTask(data=rows).alpha())
    found["irrCAC"] = irrcac(table, n_categories)
    counts = np.stack([(table == code).sum(axis=0) for code in range(n_categories)], axis=1)
    if not np.isnan(table).any():
        ask("statsmodels", "fleiss_kappa", lambda: fleiss_kappa(counts))
    if len(table) == 2:
        first, second = table[:, several].astype(int)
        square = np.zeros((n_categories, n_categories))
        np.add.at(square, (first, second), 1)
        ask("statsmodels", "cohen_kappa", lambda: cohens_kappa(square, return_results=False))
        ask("scikit-learn", "cohen_kappa", lambda: cohen_kappa_score(first, second))
        ask("nltk", "cohen_kappa", lambda: AnnotationTask(data=rows).kappa())
    return dict(found)


def irrcac(table: np.ndarray, n_categories: int) -> dict[str, float | None]:
    frame = pd.DataFrame(table.T)
    found: dict[str, float | None] = {}
    for name, method, weights in (
        ("percent_agreement", "gwet", "identity"),
        ("krippendorff_alpha", "krippendorff", "identity"),
        ("fleiss_kappa", "fleiss", "identity"),
        ("gwet_ac1", "gwet", "identity"),
        ("brennan_prediger", "bp", "identity"),
        ("gwet_ac2", "gwet", "ordinal"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                cac = CAC(frame, weights=weights, categories=list(range(n_categories)), digits=DIGITS)
                estimate = getattr(cac, method)()["est"]
                value = float(estimate["pa" if name == "percent_agreement" else "coefficient_value"])
            except Exception:
                value = np.nan
        found[name] = value if np.isfinite(value) else None
    return found


def parts() -> Iterable[tuple[str, str, Answers]]:
    """The real judgments, whole and by country and generator."""
    form = read(WWD_REVIEWS, by="country")
    yield "all", "", compact(form.answers[QUESTION])
    for by in ("country", "generator"):
        form = read(WWD_REVIEWS, by=by)
        for code, name in enumerate(form.groups):
            yield by, name, compact(form.answers[QUESTION].where(form.group[QUESTION] == code))


def compact(answers: Answers) -> Answers:
    """With only the items and raters that occur: other libraries want a row an item and a column a rater."""
    item, items = np.unique(answers.item, return_inverse=True)
    rater, raters = np.unique(answers.rater, return_inverse=True)
    names = (tuple(answers.items[code] for code in item), tuple(answers.raters[code] for code in rater))
    return Answers(items, raters, answers.category, *names, answers.categories)


def random_table(rng: np.random.Generator) -> Answers:
    """2 to 40 items, 2 to 6 raters, 2 to 5 categories, up to half of the answers missing."""
    n_items, n_raters, q = int(rng.integers(2, 41)), int(rng.integers(2, 7)), int(rng.integers(2, 6))
    truth = rng.choice(q, n_items, p=rng.dirichlet(np.full(q, 0.7)))
    values = np.where(rng.random((n_items, n_raters)) < 0.6, truth[:, None], rng.integers(0, q, (n_items, n_raters)))
    given = rng.random((n_items, n_raters)) >= rng.choice([0, 0.2, 0.5])
    rows = [
        (f"i{item:02}", f"r{rater}", str(values[item, rater])) for item, rater in zip(*np.nonzero(given), strict=True)
    ]
    return Answers.from_rows(rows, [str(code) for code in range(q)])


def compare_random() -> None:
    """How far others are from us at most, and how often each has a number where we have one."""
    rng = np.random.default_rng(1)
    apart: dict[tuple[str, str], list[float]] = defaultdict(list)
    silent: dict[tuple[str, str], int] = defaultdict(int)
    for _ in range(RANDOM_TABLES):
        answers = random_table(rng)
        mine = ours(answers)
        for library, values in theirs(answers).items():
            for name, value in values.items():
                if value is not None and mine[name] is not None:
                    apart[name, library].append(abs(value - mine[name]))
                elif (value is None) != (mine[name] is None):
                    silent[name, library] += 1
    print(f"\n{RANDOM_TABLES:,} random tables:\n")
    print("| coefficient | library | compared | furthest apart | only one of us has a number |")
    print("|---|---|---|---|---|")
    for (name, library), gaps in sorted(apart.items()):
        print(f"| {name} | {library} | {len(gaps):,} | {max(gaps):.1e} | {silent[name, library]} |")


def print_parts() -> None:
    columns = (
        ("alpha", "krippendorff_alpha", ("krippendorff", "irrCAC", "nltk")),
        ("Fleiss", "fleiss_kappa", ("irrCAC",)),
        ("AC1", "gwet_ac1", ("irrCAC",)),
    )
    heads = [f"{short} {who}" for short, _, libraries in columns for who in ("ours", *libraries)]
    print(f"| | judgments | paired items | agreement ours | irrCAC | {' | '.join(heads)} |")
    print("|---|" + "---|" * (len(heads) + 4))
    for _, part, answers in parts():
        mine, others = ours(answers), theirs(answers)
        cells = [mine["percent_agreement"], others["irrCAC"]["percent_agreement"]]
        for _, name, libraries in columns:
            cells += [mine[name], *(others[library][name] for library in libraries)]
        table = answers.patterns()
        words = " | ".join("null" if cell is None else f"{cell:.5f}" for cell in cells)
        print(f"| {part or 'all'} | {table.n_judgments:,} | {table.n_items_paired:,} | {words} |")


def fixture() -> dict[str, Any]:
    """What irrCAC says of the real parts, and of random tables with gaps, which are kept with it."""
    rng = np.random.default_rng(2)
    tables = []
    while len(tables) < KEPT_TABLES:
        answers = random_table(rng)
        if len(answers.raters) > 1 and answers.patterns().n_items_paired > 1:
            tables.append(answers)
    return {
        "made_by": "python -m bench.agreement_oracles --fixture tests/agreement/data/irrcac.json",
        "irrCAC": version("irrCAC"),
        "wwd": [{"by": by, "part": part, "irrCAC": theirs(answers)["irrCAC"]} for by, part, answers in parts()],
        "random": [
            {
                "categories": len(answers.categories),
                "judgments": np.stack([answers.item, answers.rater, answers.category], axis=1).tolist(),
                "irrCAC": theirs(answers)["irrCAC"],
            }
            for answers in tables
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixture", type=Path, metavar="FILE", help="write irrCAC's figures there and print nothing")
    wanted = parser.parse_args()
    if wanted.fixture:
        wanted.fixture.write_text(json.dumps(fixture(), separators=(",", ":")) + "\n")
    else:
        print_parts()
        compare_random()


if __name__ == "__main__":
    main()
