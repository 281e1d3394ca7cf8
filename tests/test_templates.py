"""Every template compiles."""

import pytest

from app.settings import ROOT
from app.web.render import make_environment

TEMPLATES = sorted(str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_compiles(name: str) -> None:
    make_environment().get_template(name)


def test_an_empty_choice_can_be_sent() -> None:
    """Browsers refuse an empty value where it is required; here it means all, or none in particular."""
    forms = make_environment().get_template("macros/forms.html").module
    select = forms.select("to", "To", [("", "All annotators"), ("1", "Ana")])  # type: ignore[attr-defined]
    assert '<option value="" selected>All annotators</option>' in select
    assert "required" not in select
    assert "(optional)" not in select


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_has_no_inline_script_or_style(name: str) -> None:
    source = (ROOT / "templates" / name).read_text()
    for forbidden in ("<style", " style=", "hx-on", "onclick=", "javascript:", "|safe", "| safe"):
        assert forbidden not in source
