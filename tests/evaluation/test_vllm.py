"""The vllm engine where there is no vLLM; where there is one, see tests/vllm and `make test-vllm`."""

import importlib.util

import pytest

from app.evaluation.engines import MissingExtra, Setup, make_engine


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"pip install '\.\[vllm\]'"):
        make_engine(Setup("vllm", "any/model", 16))
