"""What a question's figures amount to, in a sentence or two: how far its answers can be relied on."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from app.agreement.report import FEW_ITEMS, PREVALENT

RELIABLE: Final = 0.8
TENTATIVE: Final = 0.667
"""Krippendorff's bars for alpha: from the first conclusions can be drawn, from the second only tentative ones."""

Standing = Literal["good", "warn", "bad", ""]


class Piece(NamedTuple):
    """Some words of a sentence; `figure` is the figure they state, for a link to it, or ""."""

    text: str
    figure: str = ""


class Verdict(NamedTuple):
    """`label` says it in a word or two and `standing` is its colour; the pieces make one paragraph."""

    standing: Standing
    label: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def verdict_of(report: Mapping[str, Any]) -> Verdict:
    """From a question's document (`agreement.report`).

    >>> e = lambda value, low, high: {"value": value, "low": low, "high": high, "reason": None}
    >>> report = {
    ...     "n_items_paired": 400, "categories": {"yes": 0.92, "no": 0.06, "unsure": 0.02},
    ...     "percent_agreement": e(0.89, 0.88, 0.9), "krippendorff_alpha": e(0.39, 0.35, 0.42),
    ...     "gwet_ac1": e(0.87, 0.86, 0.89),
    ... }
    >>> verdict_of(report).text
    'Raters agree on 89 % of pairs (95 % CI 88–90). Beyond chance, alpha is 0.39 (0.35–0.42): it comes out low where \
92 % of answers are “yes”, so read percent agreement with AC1 0.87 (0.86–0.89).'
    """
    if report["n_items_paired"] == 0:
        return Verdict("", "Not measured", (Piece("No item has two judgments yet, so nothing can be compared."),))
    start = _agreement(report["percent_agreement"])
    standing, label, rest = _beyond_chance(report)
    if report["n_items_paired"] < FEW_ITEMS:
        n = report["n_items_paired"]
        items = "1 item has" if n == 1 else f"{n} items have"
        few = Piece(f" Only {items} two judgments: too few for a firm figure.")
        return Verdict("", "Too few items", (*start, *rest, few))
    return Verdict(standing, label, (*start, *rest))


def _agreement(e: Mapping[str, Any]) -> tuple[Piece, ...]:
    said = f"{percent(e['value'])} % of pairs"
    if e["low"] is not None:
        said += f" (95 % CI {percent(e['low'])}–{percent(e['high'])})"
    return Piece("Raters agree on "), Piece(said, "percent_agreement"), Piece(".")


def _beyond_chance(report: Mapping[str, Any]) -> tuple[Standing, str, tuple[Piece, ...]]:
    alpha, ac1 = report["krippendorff_alpha"], report["gwet_ac1"]
    commonest, share = max(report["categories"].items(), key=lambda pair: float(pair[1]))
    if alpha["value"] is None:
        # Answers without another beside them are in the shares, but in no pair.
        alike = f"All answers are “{commonest}”" if share == 1 else "All answers that can be compared are alike"
        return "warn", "Untested", (Piece(f" {alike}, so nothing shows that anybody would notice another case."),)
    stated = (Piece(" Beyond chance, "), Piece(f"alpha is {_coefficient(alpha)}", "krippendorff_alpha"))
    value = alpha["value"]
    if value >= RELIABLE:
        if alpha["low"] is None:
            return "warn", "Unsteady", (*stated, Piece(": it rests on too few other answers for an interval."))
        if alpha["low"] < RELIABLE:
            return "warn", "Nearly reliable", (*stated, Piece(": reliable by the usual bar of 0.80, but not surely."))
        return "good", "Reliable", (*stated, Piece(": reliable by the usual bar of 0.80."))
    if share > PREVALENT:
        why = (
            f": it comes out low where {percent(share)} % of answers are “{commonest}”, so read percent agreement with "
        )
        pieces = (*stated, Piece(why), Piece(f"AC1 {_coefficient(ac1)}", "gwet_ac1"), Piece("."))
        return "warn", "Read with AC1", pieces
    if value >= TENTATIVE:
        return "warn", "Tentative", (*stated, Piece(": enough for tentative conclusions only (0.667 to 0.80)."))
    return "bad", "Low", (*stated, Piece(": below 0.667, too low to rely on these answers as they are."))


def percent(share: float) -> str:
    """Rounded, but never up to all or down to none."""
    whole = round(100 * share)
    if whole in (0, 100) and share not in (0, 1):
        return f"{min(max(100 * share, 0.1), 99.9):.1f}"
    return str(whole)


def _coefficient(e: Mapping[str, Any]) -> str:
    said = _two_places(e["value"])
    if e["low"] is None:
        return said
    between = " to " if e["low"] < 0 else "–"
    return f"{said} ({_two_places(e['low'])}{between}{_two_places(e['high'])})"


def _two_places(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
