"""What templates and routes share."""

import doctest

import jinja2
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app import geography
from app.main import create_app
from app.settings import Settings
from app.web import render


def test_doctests() -> None:
    result = doctest.testmod(render)
    assert result.attempted > 0
    assert result.failed == 0


def test_who_comes_first_after_a_start_waits_for_no_template_and_no_table_of_countries(
    fresh_engine: sa.Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    geography._names.cache_clear()
    assert render._environment.cache is not None
    render._environment.cache.clear()
    with TestClient(create_app(settings, fresh_engine)) as client:
        assert geography._names.cache_info().currsize == 1

        def no_more(*_: object, **__: object) -> None:
            raise AssertionError("a template is compiled while somebody waits")

        monkeypatch.setattr(jinja2.Environment, "compile", no_more)
        assert client.get("/sign-in", headers={"accept": "text/html"}).status_code == 200
