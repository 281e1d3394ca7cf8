"""What templates and routes share."""

import doctest

from app.web import render


def test_doctests() -> None:
    result = doctest.testmod(render)
    assert result.attempted > 0
    assert result.failed == 0
