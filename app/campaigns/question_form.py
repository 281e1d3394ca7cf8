"""A question's words as a form holds them: texts by field name, and the question they come to."""

import re
from collections.abc import Mapping
from typing import Any, Final

from app.campaigns.translations import LANGUAGES
from app.campaigns.wording import placeholder_fault
from app.db import UNSTORABLE
from app.errors import Invalid

MOST_EXAMPLES: Final = 6
NEW_REASONS: Final = 2
MOST_REASONS: Final = 20
CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,31}")
LENGTHS: Final = {"text": 300, "help": 600, "reason": 150, "example": 300}
ESSENTIAL: Final = ("{food}", "{country}", "{background}")
"""What a translation names if the English text does. {which} reads differently in every language."""


def as_typed(question: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    """The form's texts for a question. `keys` names an item for the images of its examples, by their SHA-256."""
    texts = {"text": question["text"], "help": question.get("help", "")}
    for kind in ("good", "bad"):
        for number, example in enumerate(question.get(kind, [])):
            texts[f"{kind}.{number}.text"] = example["text"]
            texts[f"{kind}.{number}.item"] = keys.get(example.get("image_sha256") or "", "")
    for reason in question["reasons"]:
        texts[f"reason.{reason['code']}.text"] = reason["text"]
        texts[f"reason.{reason['code']}.retired"] = "true" if reason.get("is_retired") else ""
    for language in LANGUAGES:
        own = question.get("translations", {}).get(language, {})
        texts[f"{language}.text"], texts[f"{language}.help"] = own.get("text", ""), own.get("help", "")
        for code, text in own.get("reasons", {}).items():
            texts[f"{language}.reason.{code}"] = text
    return texts


def example_keys(texts: Mapping[str, str]) -> list[str]:
    """The keys of the items that the form names as examples."""
    fields = (f"{kind}.{number}.item" for kind in ("good", "bad") for number in range(MOST_EXAMPLES))
    return [key for key in (texts.get(field, "").strip() for field in fields) if key]


class Reader:
    """Reads one form; collects what is wrong with it, field by field."""

    def __init__(self, texts: Mapping[str, str], images: Mapping[str, str], unfit: Mapping[str, str]) -> None:
        self.texts, self.images, self.unfit = texts, images, unfit
        self.faults: dict[str, str] = {}

    def text(self, field: str, most: int, *, required: str = "") -> str:
        text = self.texts.get(field, "").strip()
        if not text and required:
            self.faults[field] = required
        elif len(text) > most:
            self.faults[field] = f"At most {most} characters, please; this has {len(text):,}."
        elif UNSTORABLE.search(text):
            self.faults[field] = "This text holds characters that can't be stored; please type it again."
        return text

    def examples(self, kind: str) -> list[dict[str, Any]]:
        found = []
        for number in range(MOST_EXAMPLES):
            text = self.text(f"{kind}.{number}.text", LENGTHS["example"])
            field = f"{kind}.{number}.item"
            key = self.texts.get(field, "").strip()
            if key and not text:
                self.faults[f"{kind}.{number}.text"] = "Say what this image shows: an example is read as well as seen."
            if key in self.unfit:
                self.faults[field] = self.unfit[key]
            if text:
                found.append({"text": text} | ({"image_sha256": self.images[key]} if key in self.images else {}))
        return found

    def reasons(self, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Codes stay what they are, and in their order; new ones follow."""
        found = []
        for reason in before:
            code = reason["code"]
            text = self.text(f"reason.{code}.text", LENGTHS["reason"], required="A reason needs words.")
            retired = {"is_retired": True} if self.texts.get(f"reason.{code}.retired") else {}
            found.append({"code": code, "text": text} | retired)
        for number in range(NEW_REASONS):
            if new := self._new_reason(number, {reason["code"] for reason in found}):
                found.append(new)
        if all(reason.get("is_retired") for reason in found):
            self.faults[f"reason.{found[0]['code']}.retired"] = "Keep at least one reason: a “no” has to say why."
        if len(found) > MOST_REASONS:
            self.faults["new.0.code"] = f"A question has at most {MOST_REASONS} reasons, retired ones included."
        return found

    def _new_reason(self, number: int, taken: set[str]) -> dict[str, Any] | None:
        field = f"new.{number}.code"
        code = self.texts.get(field, "").strip()
        text = self.text(f"new.{number}.text", LENGTHS["reason"], required="A reason needs words." if code else "")
        if not code and text:
            self.faults[field] = "Give it a code: it is what the data hold."
        elif code and CODE.fullmatch(code) is None:
            self.faults[field] = "Use 2 to 32 of a–z, 0–9 and “_”, beginning with a letter, e.g. wrong_side."
        elif code in taken:
            self.faults[field] = f"There is a reason {code} already; rename or un-retire it, or choose another code."
        return {"code": code, "text": text} if code else None

    def translation(self, language: str, english: str, codes: list[str]) -> dict[str, Any]:
        field = f"{language}.text"
        text = self.text(field, LENGTHS["text"])
        if text:
            missing = [name for name in ESSENTIAL if name in english and name not in text]
            if missing:
                self.faults[field] = f"It leaves out {missing[0]}, which the English text names."
        help_ = self.text(f"{language}.help", LENGTHS["help"])
        reasons = {code: self.text(f"{language}.reason.{code}", LENGTHS["reason"]) for code in codes}
        own = {"text": text, "help": help_, "reasons": {code: words for code, words in reasons.items() if words}}
        return {name: value for name, value in own.items() if value}


def read(
    texts: Mapping[str, str], question: Mapping[str, Any], images: Mapping[str, str], unfit: Mapping[str, str]
) -> dict[str, Any]:
    """The question a form asks for. `images` gives the SHA-256 of the items it names, `unfit` says why one can't be an
    example. Raises Invalid with a sentence for each field that can't be taken."""
    form = Reader(texts, images, unfit)
    key = question["key"]
    text = form.text("text", LENGTHS["text"], required="The question needs words.")
    new: dict[str, Any] = {"key": key, "text": text, "help": form.text("help", LENGTHS["help"])}
    new["reasons"] = form.reasons(question["reasons"])
    new |= {kind: found for kind in ("good", "bad") if (found := form.examples(kind))}
    codes = [reason["code"] for reason in new["reasons"]]
    translations = {language: form.translation(language, text, codes) for language in LANGUAGES}
    new |= {"translations": kept} if (kept := {name: own for name, own in translations.items() if own}) else {}
    for field in ("text", *(f"{language}.text" for language in LANGUAGES)):
        if fault := placeholder_fault(key, texts.get(field, "")):
            form.faults.setdefault(field, fault)
    if form.faults:
        count = len(form.faults)
        needs = "one field needs mending." if count == 1 else f"{count} fields need mending."
        raise Invalid(f"Nothing is saved yet: {needs}", fields=form.faults)
    return new


def twin_of(key: str) -> str | None:
    """The question that asks the same about the other food.

    >>> twin_of("food1_origin"), twin_of("background")
    ('food2_origin', None)
    """
    if not key.startswith("food"):
        return None
    return ("food2" if key.startswith("food1") else "food1") + key[5:]


def with_words_of(other: Mapping[str, Any], question: Mapping[str, Any]) -> dict[str, Any]:
    """`question`'s words under `other`'s key. Codes that only the other has are kept, retired."""
    codes = {reason["code"] for reason in question["reasons"]}
    left = [dict(reason) | {"is_retired": True} for reason in other["reasons"] if reason["code"] not in codes]
    return {**question, "key": other["key"], "reasons": [*question["reasons"], *left]}


def outdated(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Languages whose words stayed as they were although the English ones changed, by name."""
    found = []
    for language, name in LANGUAGES.items():
        was, now = (question.get("translations", {}).get(language, {}) for question in (before, after))
        parts = [part for part in ("text", "help") if before.get(part, "") != after.get(part, "")]
        if any(now.get(part) and now.get(part) == was.get(part) for part in parts):
            found.append(name)
    return found
