"""Composes the image anew from photographs, answering the reasons it was rejected for. Real, on the CPU, no model."""

import random
from typing import Final

from app.generation.engines import CannotMake, Made, Part, Source, Task
from app.items.compose_picture import PLAIN, Layout, picture_of
from app.items.references import match_key

LARGER: Final = {"not_there", "key_part_wrong"}
SOFTER: Final = {"malformed", "foods_mixed"}
OTHER_PHOTO: Final = {"other_dish", "other_style"}
OTHER_SCENE: Final = {"other_country", "other_place", "could_be_anywhere", "not_there", "malformed"}
_CLAIM: Final = {"other_country", "shared_origin"}
"""Reasons against what is claimed of a dish's origin: no other image makes that true."""
_WHICH: Final = {"food1": "left", "food2": "right"}


class Composite:
    name = "composite"

    def make(self, task: Task, seed: str) -> Made:
        """A 576 × 576 JPEG. Raises CannotMake without a photograph, or where only the claim itself is doubted."""
        self._refuse_doubted_claims(task)
        changes: list[str] = []
        layout = _layout(task, changes)
        chosen = _dishes(task, changes)
        if "background" in task.parts:
            chosen["background"] = _scene(task, changes)
        if not changes:
            changes.append("Nothing in the reasons says what to change, so crop, size, place and light are drawn anew.")
        dishes = [chosen[part].path for part in ("food1", "food2") if part in chosen]
        background = chosen["background"].path if "background" in chosen else None
        draw = random.Random(f"revision {seed}")  # noqa: S311
        return Made(
            picture_of(dishes, background, draw, layout),
            ".jpg",
            _words(task, changes),
            {part: source.sha256 for part, source in chosen.items()},
            changes,
            {"seed": seed, "layout": layout._asdict()},
        )

    def _refuse_doubted_claims(self, task: Task) -> None:
        codes = {(question, code) for question, found in task.reasons.items() for code in found}
        if codes and all(question.endswith("_origin") and code in _CLAIM for question, code in codes):
            raise CannotMake(
                "Only the dish's country is doubted, and no other image changes that: mend the claim in a new import, "
                "or drop the request."
            )


def _layout(task: Task, changes: list[str]) -> Layout:
    layout = PLAIN
    codes = {code for part in _WHICH for code in task.reasons.get(f"{part}_identity", ())}
    if codes & SOFTER:
        layout = layout._replace(softness=0.22, size=0.84)
        changes.append(
            f"The dishes fade softly into their plates and stand further apart ({_named(codes & SOFTER)})."
            if "food2" in task.parts
            else f"The dish fades softly into its plate ({_named(codes & SOFTER)})."
        )
    if codes & LARGER:
        layout = layout._replace(is_whole=True, size=1.0 if codes & SOFTER else 1.16)
        changes.append(f"The whole photograph of a dish is shown, centred and larger ({_named(codes & LARGER)}).")
    scene = task.reasons.get("background", frozenset())
    if "background" in task.parts and scene & OTHER_SCENE:
        layout = layout._replace(edge=0.1, size=layout.size * 0.88)
        changes.append(f"More of the background is shown, behind smaller dishes ({_named(scene & OTHER_SCENE)}).")
    return layout


def _dishes(task: Task, changes: list[str]) -> dict[str, Source]:
    chosen: dict[str, Source] = {}
    is_swapped = _is_swapped(task)
    if is_swapped:
        one, two = task.parts["food1"], task.parts["food2"]
        if (one.shows_partner or two.shows_partner or task.generator == Composite.name) and one.used and two.used:
            chosen = {"food1": two.used, "food2": one.used}
            changes.append(f"The photographs changed sides: {one.name} is on the left now, {two.name} on the right.")
        else:
            changes.append(f"Each dish stands on its own side: {one.name} on the left, {two.name} on the right.")
    for name, part in task.parts.items():
        if name in _WHICH and name not in chosen:
            identity = task.reasons.get(f"{name}_identity", frozenset())
            style = task.reasons.get(f"{name}_origin", frozenset())
            found = (identity | style) & OTHER_PHOTO
            chosen[name] = _photograph(part, "dish", set() if is_swapped else found, changes)
    return chosen


def _is_swapped(task: Task) -> bool:
    """Both dishes are there, on each other's side: people name one where the other is claimed, or refuse both."""
    if "food2" not in task.parts:
        return False
    for name, other in (("food1", "food2"), ("food2", "food1")):
        said = task.corrections.get(f"{name}_identity", "")
        refused = "other_dish" in task.reasons.get(f"{name}_identity", ())
        if refused and (part := task.parts[other]) and match_key(said) in {match_key(text) for text in part.names}:
            return True
    refused_both = all("other_dish" in task.reasons.get(f"{name}_identity", ()) for name in _WHICH)
    return refused_both and not any(f"{name}_identity" in task.corrections for name in _WHICH)


def _scene(task: Task, changes: list[str]) -> Source:
    found = set(task.reasons.get("background", frozenset()) & OTHER_SCENE)
    part = task.parts["background"]
    # A scene that is broken, hidden or says little may be the right photograph: then showing more of it is the answer.
    is_wrong = bool(found & {"other_country", "other_place"})
    if found and not is_wrong and not part.others and part.used:
        found = set()
    return _photograph(part, "background", found, changes)


def _photograph(part: Part, kind: str, wanted_for: set[str] | frozenset[str], changes: list[str]) -> Source:
    """Another photograph where there are reasons for one, else the one that was used, or the first there is."""
    if wanted_for or part.used is None:
        if part.others:
            if wanted_for:
                changes.append(f"Another photograph of {part.name} is used ({_named(wanted_for)}).")
            return part.others[0]
        if part.used is None:
            raise CannotMake(
                f"There is no photograph of {part.name} to compose with: import one with “terroir knowledge import”, "
                "or have the image made elsewhere."
            )
        raise CannotMake(
            f"The only photograph of the {kind} {part.name} is the one that was rejected ({_named(wanted_for)}): "
            "import another with “terroir knowledge import”, or have the image made elsewhere."
        )
    return part.used


def _named(codes: set[str] | frozenset[str]) -> str:
    return ", ".join(code.replace("_", " ") for code in sorted(codes))


def _words(task: Task, changes: list[str]) -> str:
    foods = ", ".join(
        f"{part.name} {_WHICH[name]}" if "food2" in task.parts else part.name
        for name, part in task.parts.items()
        if name in _WHICH
    )
    place = f"on a table before {task.parts['background'].name}" if "background" in task.parts else "on white"
    return f"Composite of photographs, no diffusion: {foods}, {place}. {' '.join(changes)}"
