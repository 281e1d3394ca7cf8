"""The names and definitions of questions and figures, as every agreement page and report gives them."""

from app.errors import Sentence
from app.web.figures.tables import Unit

QUESTIONS = {
    "food1_identity": Sentence("Dish (only or left food)"),
    "food1_origin": Sentence("Origin (only or left food)"),
    "food2_identity": Sentence("Dish (right food)"),
    "food2_origin": Sentence("Origin (right food)"),
    "background": Sentence("Background"),
}
FIGURES = {
    "percent_agreement": "Percent agreement",
    "krippendorff_alpha": "Krippendorff’s alpha",
    "gwet_ac1": "Gwet’s AC1",
    "fleiss_kappa": "Fleiss’ kappa",
}
DEFINITIONS = {
    "percent_agreement": "The share of pairs of answers on the same item that agree, averaged over items with two or "
    "more answers. High by itself where most answers are alike anyway.",
    "krippendorff_alpha": "1 − observed / expected disagreement among paired answers (Krippendorff 2011): 1 is "
    "perfect, 0 is what chance gives. With ordinal answers a near miss counts in part. Low where one answer prevails, "
    "even though raters agree.",
    "gwet_ac1": "Agreement beyond a chance of Σ p(1 − p) / (q − 1) for q categories (Gwet 2008). It stays near "
    "percent agreement where one answer prevails.",
    "gwet_ac2": "AC1 for ordered answers (Gwet 2014): two answers d steps apart among q agree by "
    "1 − d(d + 1) / q(q − 1).",
    "fleiss_kappa": "Agreement beyond a chance of Σ p² (Fleiss 1971; Gwet 2014 for unequal numbers of answers). Much "
    "the same as nominal alpha; for comparison with older papers.",
    "cohen_kappa": "Agreement of two raters on the items both judged, beyond what their own shares of answers would "
    "give by chance (Cohen 1960).",
}
ONE_PERSON = "Figures of one person are for admins."
"""Why a researcher is refused."""


def unit_of(figure: str) -> Unit:
    """How a figure of agreement is written: percent agreement in per cent, the others as they are."""
    return Unit.SHARE if figure == "percent_agreement" else Unit.COEFFICIENT
