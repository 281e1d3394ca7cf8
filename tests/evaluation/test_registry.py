"""Models by name: the file that ships, an operator's own, and what a machine can serve."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.evaluation.engines import check
from app.evaluation.registry import Model, load
from app.evaluation.serving import Serving, can_serve, gpus_gib
from app.settings import Settings

PAPERS_TEN = {
    "gpt-5", "gemini-2.5-pro", "internvl3-8b", "internvl3-14b", "internvl3-38b", "internvl3-78b", "ovis2.5-9b",
    "qwen3-vl-8b", "qwen3-vl-32b", "molmo-72b",
}  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], dict[str, Model]]:
    """The models with an operator's file of this text."""

    def load_with(text: str) -> dict[str, Model]:
        path = tmp_path / "own.toml"
        path.write_text(text)
        return load(Settings(models_file=path))

    return load_with


def test_the_papers_ten_and_a_baseline_ship() -> None:
    models = load(Settings())
    assert PAPERS_TEN | {"efficientnet-lite0"} == set(models)
    for model in models.values():
        check(model.setup(512, 0))
        assert model.licence
        assert not model.trust_remote_code
        assert (model.engine == "openai") == (model.memory_gib is None)
        if model.engine == "vllm":
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.model)
            assert model.memory_gib is not None
            # 80 GB are 74.5 GiB, of which a cache needs some, too.
            assert model.memory_gib < model.gpus * 74.5 * 0.9


def test_a_setup_asks_for_nothing_that_the_api_refuses() -> None:
    models = load(Settings())
    gpt, gemini = models["gpt-5"].setup(512, 7), models["gemini-2.5-pro"].setup(512, 7)
    assert (gpt.temperature, gpt.seed, gpt.max_tokens_name) == (None, 7, "max_completion_tokens")
    assert (gemini.temperature, gemini.seed, gemini.max_tokens_name) == (0, None, "max_tokens")
    assert gpt.max_tokens == 512 + 8192
    assert (gpt.base_url, gpt.api_key_env) == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    assert gemini.api_key_env == "GEMINI_API_KEY"
    assert models["gpt-5"].prices() == {"input_per_million": 1.25, "output_per_million": 10.0}


def test_weights_may_be_served_elsewhere() -> None:
    """A server is told the model's name, and what only concerns weights is left to it."""
    model = load(Settings())["qwen3-vl-8b"]
    here = model.setup(512, 7, adapter="lora")
    assert (here.engine, here.gpus, here.max_pixels, here.adapter) == ("vllm", 1, 16_777_216, "lora")
    there = model.setup(512, 7, base_url="http://127.0.0.1:8001/v1")
    assert (there.engine, there.model, there.max_pixels) == ("openai", "Qwen/Qwen3-VL-8B-Instruct", None)
    assert (there.base_url, there.api_key_env) == ("http://127.0.0.1:8001/v1", "OPENAI_API_KEY")
    assert model.prices() == {}


def test_an_operator_adds_models_and_changes_fields(own: Callable[[str], dict[str, Model]]) -> None:
    models = own(
        """
        [models.mine]
        engine = "openai"
        model = "served"
        licence = "ours"
        base_url = "http://10.0.0.7:8001/v1"

        [models.molmo-72b]
        trust_remote_code = true
        price = { gpu_hour = 2.5, as_of = "2026-11" }
        """
    )
    assert models["mine"].setup(512, 0).api_key_env == ""  # OPENAI_API_KEY is not that server's business
    molmo = models["molmo-72b"]
    assert molmo.model == "allenai/Molmo-72B-0924"
    assert molmo.setup(512, 0).trust_remote_code
    assert molmo.prices() == {"gpu_hour": 2.5}
    assert len(models) == 12


MINE = 'engine = "transformers"\nmodel = "m"\nlicence = "l"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models", "own.toml is no TOML"),
        ("[model.mine]", "takes nothing but tables"),
        ("models = 3", "takes nothing but tables"),
        ("[models]\nmine = 3", "takes nothing but tables"),
        ("[models.mine]\nengine = 'vllm'", "models.mine, model: Field required."),
        (f"[models.Mine]\n{MINE}", "models.Mine, name: "),
        (f"[models.my.one]\n{MINE}", "models.my: quote a name with a dot in it: [models.\"my.one\"]."),
        ("[models.gpt-5]\nengine = 'ollama'", "models.gpt-5, engine: there is no engine “ollama”"),
        (f"[models.mine]\n{MINE}colour = 'red'", "models.mine, colour: Extra inputs are not permitted."),
        (f"[models.mine]\n{MINE}gpus = -1", "models.mine, gpus: "),
        (f"[models.mine]\n{MINE}max_pixels = 'all'", "models.mine, max_pixels: "),
        (f"[models.mine]\n{MINE}base_url = 'http://h/v1'", "models.mine: base_url is what the engine openai needs"),
        ("[models.gpt-5]\nbase_url = 'file:///etc/passwd'", "models.gpt-5, base_url: it takes an address"),
        ("[models.gpt-5]\nbase_url = 'http://me:key@h/v1'", "models.gpt-5, base_url: it takes an address"),
        ("[models.gpt-5]\napi_key_env = 'sk-abc'", "models.gpt-5, api_key_env: "),
        ("[models.gpt-5]\nmax_pixels = 9", "models.gpt-5: max_pixels can't be set for a server"),
        ("[models.gpt-5]\nrefuses = ['tools']", "models.gpt-5, refuses.0: "),
        ("[models.gpt-5.price]\ninput_per_million = 1.0", "models.gpt-5, price.as_of: Field required."),
        ("[models.gpt-5.price]\ninput_per_million = nan\nas_of = '2026-01'", "price.input_per_million: "),
    ],
)  # fmt: skip
def test_a_faulty_file_is_one_sentence(own: Callable[[str], dict[str, Model]], text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        own(text)
    assert words in refusal.value.message
    assert "own.toml" in refusal.value.message
    assert "\n" not in refusal.value.message
    assert refusal.value.message.endswith(".")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"TERROIR_MODELS_FILE names .* can't be read \(No such file"):
        load(Settings(models_file=tmp_path / "none.toml"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with these GPUs, in MiB, packages, and repositories in its cache."""

    def make(*gpus: int, packages: tuple[str, ...] = (), cached: tuple[str, ...] = ()) -> None:
        tools = tmp_path / "bin"
        tools.mkdir()
        if gpus:
            lines = "\\n".join(map(str, gpus))
            (tools / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{lines}\\n'\n")
            (tools / "nvidia-smi").chmod(0o755)
        for package in packages:
            (tmp_path / "site" / package).mkdir(parents=True)
            (tmp_path / "site" / package / "__init__.py").touch()
        for repository in cached:
            folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / "abc"
            folder.mkdir(parents=True)
            (folder / "model.safetensors").touch()
        monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin" if gpus else str(tools))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        for name in ("RAY_ADDRESS", "TERROIR_ALLOW_DOWNLOADS", "OPENAI_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        gpus_gib.cache_clear()

    return make


QWEN = "Qwen/Qwen3-VL-32B-Instruct"


def test_a_hosted_model_needs_its_key(machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    machine()
    model = load(Settings())["gpt-5"]
    assert can_serve(model) == Serving(False, "OPENAI_API_KEY is not set.")
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    assert can_serve(model) == Serving(True)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_an_extra_that_is_missing_is_named(machine: Callable[..., None]) -> None:
    machine(81559)
    assert can_serve(load(Settings())["qwen3-vl-8b"]) == Serving(
        False, "vllm is not installed; `pip install '.[vllm]'` brings it."
    )


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        ((), "It needs 1 GPU; this machine has none."),
        ((24576,), "Its weights take 63 GiB; 1 GPU of this machine offers 22 GiB."),
        ((81559,), ""),
        ((24576, 81559), ""),
    ],
)
def test_weights_need_gpus_that_hold_them(machine: Callable[..., None], gpus: tuple[int, ...], words: str) -> None:
    machine(*gpus, packages=("vllm",), cached=(QWEN,))
    assert can_serve(load(Settings())["qwen3-vl-32b"]) == Serving(not words, words)


def test_several_gpus_are_counted_together(machine: Callable[..., None]) -> None:
    machine(*[81559] * 3, packages=("vllm",))
    assert can_serve(load(Settings())["internvl3-78b"]).reason == "It needs 4 GPUs; this machine has 3."


def test_weights_are_looked_for_and_not_fetched(
    machine: Callable[..., None], own: Callable[[str], dict[str, Model]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(81559, packages=("vllm",))
    model = load(Settings())["qwen3-vl-32b"]
    assert can_serve(model) == Serving(False, f"Its weights ({QWEN}) are not in this machine's Hugging Face cache.")
    monkeypatch.setenv("TERROIR_ALLOW_DOWNLOADS", "1")
    assert "give a commit as its revision" in can_serve(model).reason
    pinned = own(f'[models.qwen3-vl-32b]\nrevision = "{"a" * 40}"')["qwen3-vl-32b"]
    assert can_serve(pinned) == Serving(True, "Its weights are downloaded first.")


def test_a_folder_holds_weights_too(
    machine: Callable[..., None], own: Callable[[str], dict[str, Model]], tmp_path: Path
) -> None:
    machine(packages=("torch", "transformers"))
    text = f'[models.mine]\nengine = "transformers"\nlicence = "ours"\nmodel = "{tmp_path}"'
    assert can_serve(own(text)["mine"]) == Serving(True)  # gpus is 0: on the CPU


def test_code_of_a_models_own_is_granted_first(
    machine: Callable[..., None], own: Callable[[str], dict[str, Model]]
) -> None:
    machine(81559, packages=("vllm",), cached=("AIDC-AI/Ovis2.5-9B",))
    assert "grant trust_remote_code" in can_serve(load(Settings())["ovis2.5-9b"]).reason
    granted = own('[models."ovis2.5-9b"]\ntrust_remote_code = true')["ovis2.5-9b"]
    assert can_serve(granted) == Serving(True)


def test_a_cluster_elsewhere_is_taken_at_its_word(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(packages=("vllm",))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    serving = can_serve(load(Settings())["qwen3-vl-8b"])
    assert serving.ok
    assert "10.0.0.1:6379" in serving.reason


def test_a_tool_that_fails_finds_no_gpu(machine: Callable[..., None], tmp_path: Path) -> None:
    machine(81559)
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA-SMI has failed\nexit 9\n")
    assert gpus_gib() == ()
