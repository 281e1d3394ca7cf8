"""What people can read on pages, as gettext finds it in templates and code, and the catalogues brought up to it.

Run as `python -m tests.web.catalogues`, it adds to every catalogue what is new, without a translation, and takes out
what is no longer said.
"""

import io
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from app.settings import ROOT
from app.web.i18n import CATALOGUES, ENGLISH, LANGUAGES

TRANSLATED = [language for language in LANGUAGES if language != ENGLISH]
TEMPLATES: dict[str, Any] = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
CODE = {"Sentence": None}


def extracted() -> Catalog:
    """Every message, with the files it is said in."""
    found = Catalog(charset="utf-8")
    for path in sorted((ROOT / "templates").rglob("*.html")):
        add(found, path, "jinja2.ext.babel_extract", options=TEMPLATES)
    for path in sorted((ROOT / "app").rglob("*.py")):
        add(found, path, "python", keywords=CODE)
    return found


def add(found: Catalog, path: Path, method: str, **settings: Any) -> None:
    place = str(path.relative_to(ROOT))
    for _, message, _, context in extract_from_file(method, path, **settings):
        found.add(message, locations=[(place, None)], context=context)  # type: ignore[list-item]


def path_of(language: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / "terroir.po"


def read(language: str) -> Catalog:
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def updated(language: str, template: Catalog) -> str:
    """The whole text; its head, with the words that stand for one thing each, stays as it is."""
    catalogue = read(language)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    out = io.BytesIO()
    write_po(out, catalogue, width=116, sort_by_file=True, omit_header=True)
    head, _, _ = path_of(language).read_text().partition("\n\n")
    return f"{head}\n\n{out.getvalue().decode()}"


if __name__ == "__main__":
    for one in TRANSLATED:
        path_of(one).write_text(updated(one, extracted()))
