"""One model, four ways to ask it: a vLLM server, vLLM in this process, transformers, and a server that is killed."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from app.errors import Invalid
from app.evaluation.engines import Engine, Question, Reply, Setup, UnusableEngine, make_engine
from app.evaluation.engines.openai import OpenAIEngine
from app.evaluation.fleet import LocalFleet
from app.evaluation.metrics.answers import Answer
from app.evaluation.metrics.document import metrics
from app.evaluation.prompts import Strategy, prompt
from app.evaluation.replies import parse_reply
from app.items.models import Subtask
from app.releases.publish import build_now
from app.settings import ROOT
from tests.evaluation.tiny_vlm import DISHES, MAX_TOKENS, Dish, answer, picture
from tests.releases.conftest import World
from tests.vllm.conftest import VLLMServer


class Case(NamedTuple):
    dish: Dish
    strategy: Strategy
    subtask: Subtask
    slot: int
    question: Question


def _cases() -> list[Case]:
    asked = [
        (dish, strategy, subtask, slot)
        for dish in DISHES
        for strategy in Strategy
        for subtask in Subtask
        for slot in range(1, subtask.foods + 1)
    ]
    return [
        Case(
            dish, strategy, subtask, slot, Question(prompt(strategy, subtask, slot), picture(dish, noise), "image/png")
        )
        for noise, (dish, strategy, subtask, slot) in enumerate(asked)
    ]


CASES = _cases()
KNOWN = [answer(case.dish, case.strategy) for case in CASES]


@contextmanager
def engine(setup: Setup) -> Iterator[Engine]:
    """vLLM holds one model a process, so each is closed before the next is made."""
    made = make_engine(setup)
    try:
        yield made
    finally:
        made.close()


def local(name: str, weights: Path, **setup: Any) -> Setup:
    return Setup(name, str(weights), setup.pop("max_tokens", MAX_TOKENS), dtype="float32", batch_size=64, **setup)


def served(server: VLLMServer, **setup: Any) -> Setup:
    return Setup("openai", "tiny", setup.pop("max_tokens", MAX_TOKENS), base_url=f"{server.url}/v1", **setup)


def ask(made: Engine, cases: list[Case], after: Callable[[int], None] = lambda done: None) -> list[Reply]:
    """Batch by batch, as a run does; `after` hears how many batches are back."""
    fleet = LocalFleet(made)
    size = fleet.batch_size
    batches = [[case.question for case in cases[first : first + size]] for first in range(0, len(cases), size)]
    replies: dict[int, list[Reply]] = {}
    handed_out = 0
    while len(replies) < len(batches):
        while handed_out < len(batches) and fleet.room():
            fleet.submit(handed_out, batches[handed_out])
            handed_out += 1
        replies |= fleet.finished(1.0)
        after(len(replies))
    return [reply for place in range(len(batches)) for reply in replies[place]]


def texts(replies: list[Reply]) -> list[str | None]:
    assert [reply.error for reply in replies if reply.error] == []
    return [reply.text for reply in replies]


def document(replies: list[Reply]) -> dict[str, Any]:
    """The metrics of one strategy's answers, with the next dish's country as the background or the other food's."""
    answers = []
    for case, reply in zip(CASES, replies, strict=True):
        if case.strategy is not Strategy.BASE:
            continue
        parsed = parse_reply(reply.text or "", is_cut=reply.is_cut)
        other = DISHES[(DISHES.index(case.dish) + 1) % len(DISHES)].iso
        answers.append(
            Answer(
                case.subtask.value,
                case.slot,
                case.dish.name,
                case.dish.name,
                (case.dish.iso,),
                parsed.state,
                parsed.food,
                parsed.country,
                background=other if case.subtask in (Subtask.SFB, Subtask.MFB) else None,
                other_food=(other,) if case.subtask.foods == 2 else (),
            )
        )
    return metrics(answers, replicates=200)


@pytest.fixture(scope="module")
def by_vllm(weights: Path) -> tuple[dict[str, Any], list[Reply]]:
    with engine(local("vllm", weights)) as made:
        return made.describe(), ask(made, CASES)


@pytest.fixture(scope="module")
def by_transformers(weights: Path) -> tuple[dict[str, Any], list[Reply]]:
    with engine(local("transformers", weights)) as made:
        return made.describe(), ask(made, CASES)


def test_a_vllm_server_answers_every_question_as_trained(server: VLLMServer) -> None:
    with engine(served(server)) as made:
        replies = ask(made, CASES)
    assert texts(replies) == KNOWN
    assert not any(reply.is_cut or reply.is_refused for reply in replies)
    assert all(reply.input_tokens and reply.output_tokens for reply in replies)
    for figures in document(replies)["subtasks"].values():
        assert figures["name_accuracy"]["value"] == figures["country_accuracy"]["value"] == 1
        assert figures["country_entropy_bits"]["value"] == 0
        assert figures["retention"]["value"] in (1, None)  # of SF there is none
        assert figures["drift_to_distractor_country"]["value"] in (0, None)


def test_the_three_engines_score_the_same(
    server: VLLMServer,
    by_vllm: tuple[dict[str, Any], list[Reply]],
    by_transformers: tuple[dict[str, Any], list[Reply]],
) -> None:
    with engine(served(server)) as made:
        over_http = ask(made, CASES)
    in_process, transformers = by_vllm[1], by_transformers[1]
    assert texts(in_process) == texts(transformers) == texts(over_http) == KNOWN
    assert document(in_process) == document(transformers) == document(over_http)
    counts = [[(reply.input_tokens, reply.output_tokens) for reply in replies] for replies in (in_process, over_http)]
    assert counts[0] == counts[1]
    assert [reply.input_tokens for reply in transformers] == [count for count, _ in counts[0]]


def test_whole_runs_through_the_three_engines_score_the_same(
    world: World, fresh_url: str, server: VLLMServer, weights: Path
) -> None:
    """`terroir evaluate` as it is, with Ray for those that load weights: three dishes in every subtask, all right."""
    build_now(world.engine, world.settings, world.storage, world.slug, "1.0.0", splits={"test": 1.0})
    environment = os.environ | {"TERROIR_HOME": str(world.settings.home), "TERROIR_DATABASE_URL": fresh_url}
    documents = []
    for model, *engine_options in (
        ("tiny", "openai", "--base-url", f"{server.url}/v1"),
        (str(weights), "vllm"),
        (str(weights), "transformers"),
    ):
        command = [sys.executable, "-c", "from app.cli import main; main()", "evaluate", "--release", "1.0.0", "--json"]
        command += ["--model", model, "--engine", *engine_options]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        documents.append(json.loads(done.stdout))
    for made in documents:
        assert made["run"]["states"] == {"ok": 12}
        for figures in made["subtasks"].values():
            assert figures["n"] == 3
            assert figures["name_accuracy"]["value"] == figures["country_accuracy"]["value"] == 1
    assert documents[0]["subtasks"] == documents[1]["subtasks"] == documents[2]["subtasks"]


def test_its_description_names_the_same_weights_as_transformers(
    by_vllm: tuple[dict[str, Any], list[Reply]], by_transformers: tuple[dict[str, Any], list[Reply]]
) -> None:
    ours, theirs = by_vllm[0], by_transformers[0]
    assert ours["library"] == "vllm 0.32.0"
    for field in ("model", "weights_sha256", "dtype", "image", "torch"):
        assert ours[field] == theirs[field]


def test_a_killed_server_costs_no_answer(weights: Path, tmp_path: Path) -> None:
    server = VLLMServer(weights, tmp_path / "server.log")
    server.start()
    killed_after: list[int] = []

    def kill_once(done: int) -> None:
        if not killed_after and done >= 20:
            server.kill()
            killed_after.append(done)
            time.sleep(2)  # time to be refused
            server.start()

    try:
        server.wait()
        # Ample patience: where other work shares the cores, a restart takes longer than a hosted server's would.
        made = OpenAIEngine(served(server), patience_seconds=600)
        replies = ask(made, CASES, kill_once)
        made.close()
    finally:
        server.kill()
    assert killed_after[0] < len(CASES)
    assert texts(replies) == KNOWN


def test_json_is_forced_where_the_prompt_asks_for_thoughts_first(server: VLLMServer, weights: Path) -> None:
    cases = [case for case in CASES if case.strategy is Strategy.COT]
    replies = []
    for setup in (served(server, json=True), local("vllm", weights, json=True)):
        with engine(setup) as made:
            replies.append(ask(made, cases))
    for reply in replies[0] + replies[1]:
        assert not reply.error
        if not reply.is_cut:
            assert set(json.loads(reply.text or "")) == {"food", "country"}
    assert texts(replies[0]) == texts(replies[1])
    assert sum(not reply.is_cut for reply in replies[1]) > len(cases) / 2


def test_what_ends_an_answer_and_what_keeps_one_from_being_asked(weights: Path) -> None:
    cases = [case for case in CASES if case.strategy is Strategy.BASE and case.subtask is Subtask.SF]
    koshary = [case.dish.name for case in cases].index("Koshary")
    good = [case.question for case in cases]
    no_image = Question(good[0].prompt, b"GIF89a, or nothing", "image/png")
    too_long = Question("food " * 5000, good[0].image, "image/png")
    with engine(local("vllm", weights, max_tokens=6, stop=("Koshary",))) as made:
        unread, *answers, long = made.answer([no_image, *good, too_long])
    assert unread.error == "The image can't be decoded."
    assert long.error is not None
    assert long.error.startswith("The model can't be asked this: ")
    stopped = answers.pop(koshary)
    assert stopped.text == '{"food": "'  # without the words that stop it, as from an OpenAI server
    assert not stopped.is_cut
    assert all(reply.is_cut and reply.output_tokens == 6 for reply in answers)
    assert made.answer(good[:1]) == [Reply(error="The run was stopped.")]


def test_the_most_pixels_are_those_the_model_is_shown(weights: Path) -> None:
    """The processor crops the middle: Koshary in the whole picture, but not in the one pixel that it shrinks to."""
    pixels = np.zeros((64, 640, 3), np.uint8)
    pixels[:] = next(dish.colour for dish in DISHES if dish.name == "Pizza")
    pixels[:, 280:360] = next(dish.colour for dish in DISHES if dish.name == "Koshary")
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    asked = [Question(prompt(Strategy.BASE, Subtask.SF, 1), out.getvalue(), "image/png")]
    for max_pixels, dish in ((None, "Koshary"), (1, "Pizza")):
        with engine(local("vllm", weights, max_pixels=max_pixels)) as made:
            assert parse_reply(made.answer(asked)[0].text or "").food == dish
            assert made.describe()["image"]["max_pixels"] == max_pixels


def test_an_adapter_answers_as_the_weights_it_changes(weights: Path, tmp_path: Path) -> None:
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    _make_adapter(weights, adapter, merged)
    cases = CASES[:64]
    with engine(local("transformers", merged)) as made:
        expected = texts(ask(made, cases))
    with engine(local("vllm", weights, adapter=str(adapter))) as made:
        replies = ask(made, cases)
        assert made.describe()["adapter"] == "adapter"
    assert texts(replies) == expected
    assert expected != KNOWN[:64]


def _make_adapter(weights: Path, adapter: Path, merged: Path) -> None:
    """LoRA on queries and values of the language model, and the same model with W + (alpha / r) B A in place of W."""
    shutil.copytree(weights, merged)
    tensors = load_file(weights / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    rank, alpha, lora = 4, 8, {}
    for name in [
        name for name in tensors if name.endswith(("q_proj.weight", "v_proj.weight")) and "vision" not in name
    ]:
        out, into = tensors[name].shape
        a, b = (torch.randn(size, generator=generator) * 0.15 for size in ((rank, into), (out, rank)))
        tensors[name] = tensors[name] + alpha / rank * b @ a
        module = name.removesuffix(".weight")
        lora |= {f"base_model.model.{module}.lora_A.weight": a, f"base_model.model.{module}.lora_B.weight": b}
    assert lora
    save_file(tensors, merged / "model.safetensors", {"format": "pt"})
    adapter.mkdir()
    save_file(lora, adapter / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": ["q_proj", "v_proj"],
        "bias": "none",
    }
    (adapter / "adapter_config.json").write_text(json.dumps(config))


def test_weights_that_cannot_be_loaded_are_refused_in_a_sentence(weights: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(weights, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UnusableEngine, match=r"vLLM can't load broken: "):
        make_engine(local("vllm", broken))
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(UnusableEngine, match="safetensors"):
        make_engine(local("vllm", broken))
    with pytest.raises(Invalid, match="no engine"):
        make_engine(local("vllm2", weights))
