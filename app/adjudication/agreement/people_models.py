"""What the rater models say of raters: how they answer when a claim is true or wrong, and how each model was fitted."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.adjudication.agreement import words
from app.agreement.fitted import row_estimates
from app.judgments.tally_models import RaterModelFit
from app.web.figures.series import steps
from app.web.figures.svg import Chart
from app.web.figures.tables import REASONS, Column, Estimate, Table, Unit

Models = Mapping[str, RaterModelFit]
"""{question: its newest fit}, questions in their order."""

NO_MODEL = {"value": None, "low": None, "high": None, "reason": "no rater model"}
NOT_IN_MODEL = {"value": None, "low": None, "high": None, "reason": "not in the model yet"}


class Row(NamedTuple):
    """What somebody does with claims of one kind: the chance of each answer, and of how many expected items."""

    answers: Mapping[str, Estimate]
    expected: float


def row_of(models: Models, rater: str, true: str, question: str = "") -> Row | None:
    """How a rater answers where `true` is yes or no, from their own answers alone: of one question, or of all
    together. None where no model knows them."""
    return _row([(fit, fit["raters"][rater]) for fit in _fits(models, question) if rater in fit["raters"]], true)


def everyones_row(models: Models, true: str, question: str = "") -> Row | None:
    return _row([(fit, fit["pooled"]) for fit in _fits(models, question)], true)


def _row(found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], true: str) -> Row | None:
    if not found:
        return None
    rows = [rows["expected"][fit["classes"].index(true)] for fit, rows in found]
    counts = [sum(some) for some in zip(*rows, strict=True)]
    estimates = [estimate.as_json() for estimate in row_estimates(counts)]
    return Row(dict(zip(found[0][0]["answers"], estimates, strict=True)), sum(counts))


def _fits(models: Models, question: str) -> list[Mapping[str, Any]]:
    return [fit.fit for key, fit in models.items() if fit.reason is None and question in ("", key)]


def models_table(models: Models) -> Table:
    """How each question's model was fitted."""
    columns = (
        Column("question", "Question", Unit.TEXT),
        Column("state", "State", Unit.TEXT),
        Column("steps", "Steps", Unit.COUNT),
        Column("log_likelihood", "Log-likelihood", Unit.TEXT),
        Column("yes", "Claims true", Unit.SHARE),
        Column("no", "Claims wrong", Unit.SHARE),
        Column("items", "Items", Unit.COUNT),
        Column("judgments", "Judgments", Unit.COUNT),
        Column("raters", "Raters", Unit.COUNT),
        Column("gold", "Known answers", Unit.COUNT),
        Column("fitted", "Fitted", Unit.TEXT),
    )
    return Table("models", "Rater models", columns, [_model_row(question, fit) for question, fit in models.items()])


def _model_row(question: str, fit: RaterModelFit) -> tuple[Any, ...]:
    shares = fit.fit.get("class_shares", {})
    trace = fit.fit.get("log_likelihood", [])
    return (
        words.QUESTIONS[question],
        state(fit),
        fit.fit.get("iterations"),
        f"{trace[-1]:.2f}" if trace else None,
        *({"value": shares.get(name), "low": None, "high": None, "reason": None} for name in ("yes", "no")),
        fit.n_items,
        fit.n_judgments,
        fit.n_raters,
        fit.n_gold,
        fit.created_at.strftime("%Y-%m-%d %H:%M UTC"),
    )


def state(fit: RaterModelFit) -> str:
    if fit.reason is not None:
        return f"no model: {REASONS.get(fit.reason, fit.reason.replace('_', ' '))}"
    return "converged" if fit.fit.get("converged") else "stopped before it stood still"


def traces(models: Models) -> dict[str, Chart]:
    """{name of the chart: the log-likelihood step by step}, of each question that has a model."""
    return {
        f"fit-{question}": steps(
            f"fit-{question}",
            f"{words.QUESTIONS[question]}: log-likelihood step by step",
            fit.fit["log_likelihood"],
            "Log-likelihood",
        )
        for question, fit in models.items()
        if fit.reason is None
    }
