"""The tables and charts of the backgrounds page."""

from collections.abc import Mapping
from typing import Any

from app.adjudication.agreement import words
from app.adjudication.agreement.background_readout import REFERENCES, Readout, Row
from app.agreement.contrasts import MEASURES, Change
from app.agreement.subtasks import SubtaskFigures
from app.web.figures.charts import Group, dots
from app.web.figures.svg import Chart, shortened
from app.web.figures.tables import Column, Table, Unit, interval, number

GROUPINGS = {
    "scene": "Scene",
    "country": "Country of the scene",
    "kind": "Kind of scene",
    "distance": "Distance to the dish’s country",
    "dish": "Dish",
}
MEASURE_WORDS = {"accuracy": "Right", "unsure": "Unsure", "disagreement": "First two differ"}
CHART_LABEL, CHART_ROWS = 22, 60
SIGNIFICANT = 0.05


def measure_words(measure: str, *, has_model: bool, is_first: bool = True) -> str:
    if measure == "accuracy" and not has_model:
        return "Confirmed"
    return "Pairs differ" if measure == "disagreement" and not is_first else MEASURE_WORDS[measure]


def verdicts(found: Readout, *, is_first: bool) -> list[str]:
    """For each measure its change in a sentence."""
    people = "The first two people" if is_first else "Two people"
    said = {
        "accuracy": "People are right" if found.has_model else "People confirm the claim",
        "unsure": "People are unsure",
        "disagreement": f"{people} differ",
    }
    return [_verdict(found.paired.change[measure], said[measure]) for measure in MEASURES]


def _verdict(change: Change, said: str) -> str:
    if change.value is None:
        return f"{said}: there is no figure yet."
    shown = f"{number(change.value, Unit.DIFFERENCE)} points"
    if change.low is None or change.high is None:
        return f"{said} on a background: {shown}, from {_dishes(change.n)}: too few to say more."
    shown += f" {interval(change.as_json(), Unit.DIFFERENCE)}, {_dishes(change.n)}"
    if change.p is None:
        return f"{said} on a background: {shown}. Too few answers differ to say whether that is chance."
    if change.p < SIGNIFICANT and not change.low <= 0 <= change.high:
        return f"{said} {'more' if change.low > 0 else 'less'} often on a background: {shown}."
    return f"{said} about as often on a background as on white, as far as this can tell: {shown}."


def _dishes(n: int) -> str:
    return "1 dish" if n == 1 else f"{n:,} dishes"


def overall_table(found: list[Readout], *, is_first: bool) -> Table:
    columns = (
        Column("question", "Question", Unit.TEXT),
        Column("measure", "Answers", Unit.TEXT),
        Column("dishes", "Dishes", Unit.COUNT),
        Column("white", "On white", Unit.SHARE),
        Column("background", "On a background", Unit.SHARE),
        Column("change", "Change", Unit.DIFFERENCE),
        Column("p", "p", Unit.P),
    )
    rows = [
        (
            words.QUESTIONS[one.question],
            measure_words(measure, has_model=one.has_model, is_first=is_first),
            one.paired.change[measure].n,
            one.paired.white[measure].as_json(),
            one.paired.background[measure].as_json(),
            one.paired.change[measure].as_json(),
            one.paired.change[measure].p,
        )
        for one in found
        for measure in MEASURES
    ]
    return Table("overall", "Each question on white and on a background", columns, rows)


def overall_chart(found: list[Readout], *, is_first: bool) -> Chart:
    series = [measure_words(name, has_model=found[0].has_model, is_first=is_first) for name in MEASURES]
    groups = [
        Group(words.QUESTIONS[one.question], [one.paired.change[measure].as_json() for measure in MEASURES])
        for one in found
    ]
    return dots("overall", "Change from white to a background, all scenes", series, groups, Unit.DIFFERENCE)


def ordered(found: Readout, by: str, figure: str) -> list[Row]:
    """Rows of a grouping, those first where the background does most harm."""
    sign = 1 if figure == "accuracy" else -1

    def harm(row: Row) -> tuple[bool, float, str]:
        value = row.changes[figure].value
        return value is None, sign * (value or 0), row.label

    return sorted(dish_rows(found) if by == "dish" else found.groups[by], key=harm)


def dish_rows(found: Readout) -> list[Row]:
    """Each dish's own change; one dish has no interval."""
    rows = []
    pairs = zip(found.dishes, found.paired.by_dish.tolist(), found.paired.sizes.tolist(), strict=True)
    for (part, name), values, (_, n_there) in pairs:
        changes = {
            measure: Change(None if value != value else value, None, None, None, 1, None)
            for measure, value in zip(MEASURES, values, strict=True)
        }
        rows.append(Row(part, name, 1, n_there, changes, {}))
    return rows


def group_table(found: Readout, by: str, figure: str, *, is_first: bool) -> Table:
    about = words.QUESTIONS[found.question]
    columns = [
        Column(by, GROUPINGS[by], Unit.TEXT),
        *([] if by == "dish" else [Column("dishes", "Dishes", Unit.COUNT)]),
        Column("images", "Images", Unit.COUNT),
        *(
            Column(name, measure_words(name, has_model=found.has_model, is_first=is_first), Unit.DIFFERENCE)
            for name in MEASURES
        ),
        *([] if by == "dish" else [Column("after_holm", "Beyond chance", Unit.TEXT)]),
    ]
    rows = []
    for row in ordered(found, by, figure):
        figures = [row.changes[measure].as_json() for measure in MEASURES]
        if by == "dish":
            rows.append((row.label, row.n_items, *figures))
        else:
            rows.append((row.label, row.n_dishes, row.n_items, *figures, _standing(row, found, is_first=is_first)))
    return Table(f"by_{by}", f"{about}: change from white to a background, by {_lower(by)}", tuple(columns), rows)


def _standing(row: Row, found: Readout, *, is_first: bool) -> str:
    if not row.adjusted:
        return "not tested"
    standing = [name for name, p in row.adjusted.items() if p < SIGNIFICANT]
    return ", ".join(measure_words(name, has_model=found.has_model, is_first=is_first) for name in standing) or "—"


def _lower(by: str) -> str:
    return GROUPINGS[by][0].lower() + GROUPINGS[by][1:]


def group_chart(found: Readout, by: str, figure: str, *, is_first: bool) -> Chart:
    rows = ordered(found, by, figure)
    shown = measure_words(figure, has_model=found.has_model, is_first=is_first)
    title = f"{shown}: change from white to a background, by {_lower(by)}"
    if len(rows) > CHART_ROWS:
        rows = sorted(rows, key=lambda row: -abs(row.changes[figure].value or 0))[:CHART_ROWS]
        rows = [row for row in ordered(found, by, figure) if row in rows]
        title += f" (the {CHART_ROWS} largest)"
    groups = [Group(shortened(row.label, CHART_LABEL), [row.changes[figure].as_json()]) for row in rows]
    return dots(f"by_{by}", title, [shown], groups, Unit.DIFFERENCE)


Subtasks = Mapping[str, Mapping[str, SubtaskFigures]]

_SUBTASK_COLUMNS: tuple[tuple[str, str, Unit, Unit], ...] = (
    ("percent_agreement", "Agreement", Unit.SHARE, Unit.DIFFERENCE),
    ("krippendorff_alpha", "Alpha", Unit.COEFFICIENT, Unit.COEFFICIENT),
    ("yes", "Yes", Unit.SHARE, Unit.DIFFERENCE),
    ("unsure", "Unsure", Unit.SHARE, Unit.DIFFERENCE),
)


def subtask_table(found: Subtasks) -> Table:
    columns = (
        Column("question", "Question", Unit.TEXT),
        Column("subtask", "Subtask", Unit.TEXT),
        Column("images", "Images", Unit.COUNT),
        Column("dishes", "Dishes", Unit.COUNT),
        Column("answers", "Answers", Unit.COUNT),
        *(Column(key, label, unit) for key, label, unit, _ in _SUBTASK_COLUMNS),
    )
    rows = [
        (words.QUESTIONS[question], part, one.n_items, one.n_dishes, one.n_judgments, *_figures(one.figures))
        for question, parts in found.items()
        for part, one in parts.items()
    ]
    return Table("subtasks", "Each subtask’s figures", columns, rows)


def difference_table(found: Subtasks) -> Table:
    columns = (
        Column("question", "Question", Unit.TEXT),
        Column("difference", "Difference", Unit.TEXT),
        *(Column(key, label, unit) for key, label, _, unit in _SUBTASK_COLUMNS),
    )
    rows = [
        (words.QUESTIONS[question], f"{part} − {REFERENCES[question]}", *_figures(one.differences))
        for question, parts in found.items()
        for part, one in parts.items()
        if one.differences is not None
    ]
    return Table("subtask_differences", "Differences between subtasks, not paired by dish", columns, rows)


def difference_chart(found: Subtasks) -> Chart:
    groups = [
        Group(
            f"{words.QUESTIONS[question]} · {part} − {REFERENCES[question]}",
            [one.differences[key].as_json() for key in ("unsure", "percent_agreement")],
        )
        for question, parts in found.items()
        for part, one in parts.items()
        if one.differences is not None
    ]
    title = "Differences between subtasks, not paired by dish"
    return dots("subtask_differences", title, ["Share unsure", "Percent agreement"], groups, Unit.DIFFERENCE)


def _figures(estimates: Mapping[str, Any]) -> list[Any]:
    return [estimates[key].as_json() for key, *_ in _SUBTASK_COLUMNS]
