"""The agreement document: a question's figures with their intervals, in the shape programs and pages read."""

from typing import Any

from app.agreement.bootstrap import FIGURES, Level, estimates
from app.agreement.families import Families
from app.agreement.patterns import Patterns

# From this share of one answer on, chance-corrected figures say more about the share than about the raters.
PREVALENT = 0.9

# With fewer items than this the percentiles of a bootstrap are rough.
FEW_ITEMS = 30

# With fewer clusters than about this an interval from resampling them is too narrow (Cameron, Gelbach & Miller 2008).
FEW_FAMILIES = 30


def question_report(
    patterns: Patterns,
    *,
    n_raters: int,
    level: Level = "nominal",
    families: Families | None = None,
    seed: int = 0,
    replicates: int = 1000,
) -> dict[str, Any]:
    """One question's document: sample sizes, shares of the answers, the figures, and warnings in plain words.

    Each figure is {"value", "low", "high", "reason"}; see `intervals.Estimate`. `n_raters` comes from the caller,
    since patterns don't know who answered. With level "ordinal" the categories are in order: `krippendorff_alpha`
    is then the ordinal one, and `gwet_ac2` joins `gwet_ac1`. With `families` the intervals come from resampling them.
    """
    figures = estimates(patterns, FIGURES[level], families=families, seed=seed, replicates=replicates)
    shares = dict(zip(patterns.categories, patterns.category_shares().tolist(), strict=True))
    return {
        "n_items": patterns.n_items,
        "n_items_paired": patterns.n_items_paired,
        "n_raters": n_raters,
        "n_judgments": patterns.n_judgments,
        "categories": shares,
        "level": level,
        **{name: figure.as_json() for name, figure in figures.items()},
        "bootstrap": {
            **({"unit": "item"} if families is None else {"unit": "family", "n_families": families.n_paired}),
            "level": 0.95,
            "replicates": replicates,
            "seed": seed,
        },
        "warnings": warnings(patterns, shares, families),
    }


def warnings(patterns: Patterns, shares: dict[str, float], families: Families | None = None) -> list[str]:
    """What a reader of these figures should know, a sentence each; empty when nothing stands in their way."""
    said = []
    if patterns.n_items_paired == 0:
        said.append("No item has two judgments, so agreement can't be measured yet.")
        return said
    commonest = max(shares, key=lambda value: shares[value])
    if shares[commonest] == 1:
        said.append(
            f"Every judgment is '{commonest}': agreement is complete, but nothing shows that raters would notice "
            "another case, and alpha and kappa are undefined."
        )
    elif shares[commonest] > PREVALENT:
        said.append(
            f"{100 * shares[commonest]:.0f} % of the judgments are '{commonest}': at such a share alpha and kappa are "
            "low even when raters agree, so read percent agreement with AC1."
        )
    if patterns.n_items_paired < FEW_ITEMS:
        items = "1 item has" if patterns.n_items_paired == 1 else f"{patterns.n_items_paired} items have"
        said.append(f"Only {items} two or more judgments: too few for a firm figure.")
    elif families is not None and families.n_paired < FEW_FAMILIES:
        said.append(
            f"The items come from {families.n_paired} {'family' if families.n_paired == 1 else 'families'}: intervals "
            "from resampling so few are too narrow."
        )
    return said
