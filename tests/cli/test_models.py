"""`terroir models`, for people and for programs; nothing heavy is loaded for it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app.cli import models
from app.settings import ROOT, get_settings


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "own.toml").write_text(
        '[models.mine]\nengine = "openai"\nmodel = "m"\nlicence = "ours"\nbase_url = "http://127.0.0.1:1/v1"\n'
    )
    monkeypatch.setenv("TERROIR_MODELS_FILE", str(tmp_path / "own.toml"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def run(*words: str) -> str:
    app = typer.Typer()
    models.register(app)
    ended = CliRunner().invoke(app, list(words))
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_each_model_is_listed_with_what_it_needs() -> None:
    lines = run().splitlines()
    assert lines[0].split() == ["model", "engine", "needs", "USD", "per", "million", "tokens", "here"]
    gpt = next(number for number, line in enumerate(lines) if line.startswith("gpt-5"))
    assert lines[gpt].split("  ")[-1] == "no"
    assert "1.25 in, 10 out (2026-04)" in lines[gpt]
    assert lines[gpt + 1] == "    gpt-5; licence: proprietary API, OpenAI's terms"
    assert lines[gpt + 2] == "    OPENAI_API_KEY is not set."
    assert any(line.startswith("molmo-72b") and "4 GPUs, 137 GiB, own code" in line for line in lines)
    assert any(line.startswith("mine ") and line.endswith("yes") for line in lines)


def test_json_is_one_document() -> None:
    document = json.loads(run("--json"))
    by_name = {model["name"]: model for model in document["models"]}
    assert len(by_name) == 12
    assert by_name["mine"]["here"] == {"ok": True, "reason": ""}
    assert by_name["gpt-5"]["here"] == {"ok": False, "reason": "OPENAI_API_KEY is not set."}
    assert by_name["gpt-5"]["refuses"] == ["temperature"]
    assert by_name["ovis2.5-9b"]["custom_code"]


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from app.cli import models; models.models(json=False); "
        "assert not {'torch', 'transformers', 'ray', 'vllm'} & set(sys.modules)"
    )
    root = Path(models.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(root)}, timeout=60)


def test_a_key_may_stand_in_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sesame\nGEMINI_API_KEY=of the file\n")
    command = [sys.executable, "-c", "from app.cli import main; main()", "models", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GEMINI_API_KEY": ""}
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    here = {model["name"]: model["here"]["ok"] for model in json.loads(ended.stdout)["models"]}
    assert (here["gpt-5"], here["gemini-2.5-pro"]) == (True, False), "what the environment says comes first"
