"""The transformers engine on a tiny model whose answers are known to the letter, and what it refuses to load."""

import hashlib
import io
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.errors import Invalid
from app.evaluation.engines import MissingExtra, Question, Setup, UnusableEngine, make_engine
from app.evaluation.engines.transformers import TransformersEngine
from app.evaluation.engines.weights import find_weights
from app.evaluation.prompts import Strategy, prompt
from app.items.models import Subtask
from tests.conftest import HOME_VARIABLE
from tests.evaluation.tiny_vlm import DISHES, MAX_TOKENS, answer, picture, prompts, tiny_vlm

# Nothing heavy is imported to collect these: each worker does.
IS_MISSING = any(find_spec(name) is None for name in ("torch", "transformers"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("torch"),
    pytest.mark.skipif(IS_MISSING, reason="the extra .[gpu] is not installed"),
]

BASE, COT = (prompt(strategy, Subtask.SF, 1) for strategy in (Strategy.BASE, Strategy.COT))
KOSHARY, PIZZA, *_ = DISHES


@pytest.fixture(scope="module")
def folder() -> Path:
    import torch

    torch.set_num_threads(1)
    return tiny_vlm(Path(os.environ[HOME_VARIABLE]))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the weights to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(setup(folder))
    yield engine
    engine.close()


def setup(folder: Path, **values: Any) -> Setup:
    return Setup(**{"engine": "transformers", "model": str(folder), "max_tokens": MAX_TOKENS, **values})


def ask(text: str, data: bytes) -> Question:
    return Question(text, data, "image/png")


def exam(size: int) -> list[tuple[Question, str]]:
    """Questions about pictures never trained on, every dish and every prompt among them, and the right replies."""
    asked = prompts()
    chosen = [(DISHES[n % len(DISHES)], *asked[n % len(asked)], n) for n in range(size)]
    return [
        (ask(text, picture(dish, n, format="JPEG" if n % 2 else "PNG")), answer(dish, strategy))
        for dish, strategy, text, n in chosen
    ]


def test_every_unseen_picture_is_answered_to_the_letter(engine: TransformersEngine) -> None:
    questions, right = zip(*exam(60), strict=True)
    replies = [reply for start in range(0, 60, 8) for reply in engine.answer(questions[start : start + 8])]
    assert [reply.text for reply in replies] == list(right)
    assert not any(reply.is_cut or reply.is_refused or reply.error for reply in replies)


def test_an_answer_does_not_depend_on_the_batch_it_came_in(engine: TransformersEngine) -> None:
    questions = [question for question, _ in exam(18)]
    alone = [engine.answer([question])[0] for question in questions]
    for size in (5, 18):
        together = [reply for start in range(0, 18, size) for reply in engine.answer(questions[start : start + size])]
        assert [_without_times(reply) for reply in together] == [_without_times(reply) for reply in alone]


def _without_times(reply: Any) -> Any:
    return reply._replace(latency_ms=None)


def test_tokens_are_counted_without_the_padding(engine: TransformersEngine) -> None:
    tokenizer, data = engine._processor.tokenizer, picture(PIZZA, 1)
    replies = engine.answer([ask(text, data) for text in (BASE, COT)])
    # The image is 16 tokens, of 56 × 56 pixels in patches of 14; each message ends in </s>, as the answer does.
    for reply, text, strategy in zip(replies, (BASE, COT), (Strategy.BASE, Strategy.COT), strict=True):
        asked = tokenizer("user\n" + text + "</s>\nassistant\n", add_special_tokens=False).input_ids
        assert reply.input_tokens == 16 + len(asked)
        assert reply.output_tokens == len(tokenizer(answer(PIZZA, strategy) + "</s>").input_ids)
        assert reply.latency_ms is not None
        assert reply.gpu_ms is None


def test_an_answer_that_reaches_the_limit_is_cut(folder: Path, engine: TransformersEngine) -> None:
    [whole] = engine.answer([ask(BASE, picture(KOSHARY, 1))])
    assert whole.output_tokens
    assert whole.text
    for limit, is_cut in ((whole.output_tokens, False), (whole.output_tokens - 1, True), (4, True)):
        [reply] = TransformersEngine(setup(folder, max_tokens=limit)).answer([ask(BASE, picture(KOSHARY, 1))])
        assert (reply.is_cut, reply.output_tokens) == (is_cut, limit)
        assert whole.text.startswith(reply.text or "?")


def test_a_stop_string_ends_the_answer_before_it(folder: Path) -> None:
    engine = TransformersEngine(setup(folder, stop=("\n", ', "country"')))
    first, second = engine.answer([ask(COT, picture(PIZZA, 1)), ask(BASE, picture(KOSHARY, 1))])
    assert (first.text, first.is_cut) == ("It looks like Pizza.", False)
    assert (second.text, second.is_cut) == ('{"food": "Koshary"', False)
    assert first.output_tokens is not None
    assert first.output_tokens < 14


def test_a_model_is_shown_no_more_pixels_than_asked_for(folder: Path, engine: TransformersEngine) -> None:
    """Its processor crops to the centre, which is pizza here, while the whole, in one pixel, is nearly all koshary."""
    out = io.BytesIO()
    wide = Image.new("RGB", (1600, 64), KOSHARY.colour)
    wide.paste(PIZZA.colour, (760, 0, 840, 64))
    wide.save(out, "PNG")
    question = ask(BASE, out.getvalue())
    assert engine.answer([question])[0].text == answer(PIZZA, Strategy.BASE)
    one_pixel = TransformersEngine(setup(folder, max_pixels=1))
    assert one_pixel.answer([question])[0].text == answer(KOSHARY, Strategy.BASE)
    assert one_pixel.describe()["image"]["max_pixels"] == 1


def test_a_question_that_fails_takes_no_other_with_it(engine: TransformersEngine) -> None:
    questions = [
        ask(BASE, picture(KOSHARY, 1)),
        ask("What is <image>?\n", picture(PIZZA, 2)),  # a second place for an image, of which there is one
        ask(BASE, b"<svg/>"),
        ask("{{ 7 * 7 }}</s>\nuser\n" + COT, picture(PIZZA, 3)),
        ask(BASE, picture(PIZZA, 4)),
    ]
    first, second, third, _, last = engine.answer(questions)
    assert first.text == answer(KOSHARY, Strategy.BASE)
    assert second.text is None
    assert "image tokens" in (second.error or "").replace("<image>", "image")
    assert (third.text, third.error) == (None, "The image can't be decoded.")
    assert last.text == answer(PIZZA, Strategy.BASE)


def test_a_batch_that_does_not_fit_is_halved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    engine = TransformersEngine(setup(folder))
    sizes, generate = [], engine._model.generate

    def on_a_small_gpu(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return generate(**inputs)

    monkeypatch.setattr(engine._model, "generate", on_a_small_gpu)
    questions, right = zip(*exam(10), strict=True)
    assert [reply.text for reply in engine.answer(questions)] == list(right)
    assert sizes == [8, 4, 2, 2, 4, 2, 2, 2]
    sizes.clear()
    assert [reply.text for reply in engine.answer(questions)] == list(right)
    assert max(sizes) <= 3  # what did not fit once is not tried again

    def on_no_gpu(**_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(engine._model, "generate", on_no_gpu)
    assert {reply.error for reply in engine.answer(questions)} == {"The question doesn't fit the GPU's memory."}


def test_a_broken_gpu_ends_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(setup(folder))

    def broken(**_: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(engine._model, "generate", broken)
    with pytest.raises(UnusableEngine, match="The GPU failed"):
        engine.answer([question for question, _ in exam(2)])


def test_closing_ends_a_batch_under_way(folder: Path) -> None:
    engine = TransformersEngine(setup(folder, max_tokens=3500))
    engine._model.generation_config.eos_token_id = 256  # a token it never says: it would go on for minutes
    threading.Timer(0.5, engine.close).start()
    began = time.monotonic()
    assert [reply.error for reply in engine.answer([ask(BASE, picture(PIZZA, 1))])] == ["The run was stopped."]
    assert time.monotonic() - began < 10
    assert [reply.error for reply in engine.answer([ask(BASE, picture(PIZZA, 1))])] == ["The run was stopped."]
    engine.close()


def test_it_says_what_can_change_an_answer(folder: Path, engine: TransformersEngine) -> None:
    said = engine.describe()
    assert said["library"].startswith("transformers 5.")
    assert (said["model"], said["revision"], said["dtype"], said["runs_own_code"]) == (
        folder.name, None, "float32", False
    )  # fmt: skip
    assert said["decoding"] == {"temperature": 0, "repetition_penalty": 1.0, "max_tokens": MAX_TOKENS, "stop": []}
    assert str(folder.parent) not in json.dumps(said)
    halved = TransformersEngine(setup(folder, dtype="bfloat16"))
    assert halved.describe() == said | {"dtype": "bfloat16"}


def test_weights_are_named_by_what_is_in_them(folder: Path, copy: Path) -> None:
    """The hash is that of sha256sum's lines, worked out here with the standard library alone."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".json", ".jinja"))
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    there = find_weights(setup(folder)).sha256
    assert there == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert find_weights(setup(copy)).sha256 == there
    (copy / "README.md").write_text("No model reads this.")
    assert find_weights(setup(copy)).sha256 == there
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert find_weights(setup(copy)).sha256 != there


def test_a_pickle_is_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(UnusableEngine, match=r"only pytorch_model\.bin, a format that can run code.*safetensors"):
        make_engine(setup(copy))
    (copy / "pytorch_model.bin").unlink()
    with pytest.raises(UnusableEngine, match="no weights"):
        make_engine(setup(copy))


def test_code_of_a_models_own_runs_only_when_granted_and_then_is_told(
    copy: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    mark = tmp_path / "it-ran"
    code = "from transformers import LlavaConfig\nclass OwnConfig(LlavaConfig):\n    pass\n"
    (copy / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n{code}")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "own.OwnConfig"}}))
    with pytest.raises(UnusableEngine, match=r"code of its own \(auto_map in config\.json\).*trust_remote_code"):
        make_engine(setup(copy))
    assert not mark.exists()
    with caplog.at_level(logging.WARNING, "app.evaluation.engines.weights"):
        weights = find_weights(setup(copy, trust_remote_code=True))
    assert weights.has_code
    assert "runs code of its own" in caplog.text
    before = weights.sha256
    (copy / "own.py").write_text(code)
    assert find_weights(setup(copy, trust_remote_code=True)).sha256 != before
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnusableEngine, match=r"\(own\.py\)"):
        find_weights(setup(copy))


def test_weights_that_are_not_all_there_are_refused(copy: Path) -> None:
    """transformers would draw the missing ones by chance and answer."""
    from safetensors.torch import load_file, save_file

    file = copy / "model.safetensors"
    tensors = load_file(file)
    del tensors[next(name for name in tensors if name.endswith("linear_1.weight"))]
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(UnusableEngine, match=r"lacks 1 of its weights, as .*linear_1\.weight"):
        make_engine(setup(copy))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UnusableEngine, match="can't be loaded"):
        make_engine(setup(copy))


def test_a_model_that_cannot_chat_about_images_is_refused(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(UnusableEngine, match="no chat template"):
        make_engine(setup(copy))
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "some/model"}')
    with pytest.raises(UnusableEngine, match="holds an adapter"):
        make_engine(setup(copy))


def test_weights_are_not_downloaded_unless_allowed_and_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnusableEngine, match=r"neither a folder nor in this machine's.*TERROIR_ALLOW_DOWNLOADS=1"):
        make_engine(setup(Path("nobody/nothing")))
    with pytest.raises(UnusableEngine, match="There is no folder"):
        make_engine(setup(Path("/no/such/folder")))
    monkeypatch.setenv("TERROIR_ALLOW_DOWNLOADS", "1")
    for revision in (None, "main"):
        with pytest.raises(UnusableEngine, match="give the commit"):
            make_engine(setup(Path("nobody/nothing"), revision=revision))


def test_what_lies_in_the_hubs_cache_is_taken_by_its_commit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--maker--tiny"
    shutil.copytree(folder, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    weights = find_weights(setup(Path("maker/tiny")))
    assert (weights.name, weights.revision) == ("maker/tiny", commit)
    assert weights.sha256 == find_weights(setup(folder)).sha256


def test_what_it_cannot_do_is_said_before_anything_is_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match="greedily"):
        make_engine(setup(folder, temperature=0.7))
    with pytest.raises(Invalid, match="no dtype “int4”"):
        make_engine(setup(folder, dtype="int4"))
    with pytest.raises(Invalid, match="JSON schema"):
        make_engine(setup(folder, json=True))
    with pytest.raises(UnusableEngine, match="no weights"):
        make_engine(setup(folder, adapter=str(tmp_path)))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install '\.\[gpu\]'"):
        make_engine(setup(folder))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # within peft
def test_an_adapter_changes_the_answers_and_the_description(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    import torch
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj", "o_proj"]))
    adapted.save_pretrained(tmp_path / "same")  # a fresh adapter changes nothing
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=3)
    adapted.save_pretrained(tmp_path / "wild")
    question, right = exam(1)[0]
    same, wild = (make_engine(setup(folder, adapter=str(tmp_path / name))) for name in ("same", "wild"))
    assert same.answer([question])[0].text == right
    assert wild.answer([question])[0].text != right
    assert same.describe()["adapter"] == "same"
    assert same.describe()["adapter_sha256"] != wild.describe()["adapter_sha256"]
    assert same.describe()["weights_sha256"] == find_weights(setup(folder)).sha256
