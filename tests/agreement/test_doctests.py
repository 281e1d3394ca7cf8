"""The worked examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import app.agreement

MODULES = [module.name for module in pkgutil.iter_modules(app.agreement.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_worked_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"app.agreement.{name}"))
    assert result.failed == 0


def test_every_formula_has_a_worked_example() -> None:
    assert sum(doctest.testmod(importlib.import_module(f"app.agreement.{name}")).attempted for name in MODULES) > 20
