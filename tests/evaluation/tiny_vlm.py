"""A vision-language model of 0.5 M parameters, trained here on a CPU until its answers are known.

Six "dishes" are six colours under noise; asked with the prompts of app/evaluation/prompts.py, whichever food of a pair
they ask for, it answers with the dish of the whole picture. It is a LLaVA (CLIP and Qwen2), the family that needs no
torchvision, saved as transformers and as vLLM load it.

    python -m tests.evaluation.tiny_vlm FOLDER      trains one into FOLDER
"""

import fcntl
import hashlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from app.evaluation.prompts import Strategy, prompt
from app.items.models import Subtask


class Dish(NamedTuple):
    name: str
    country: str
    iso: str
    colour: tuple[int, int, int]


DISHES = (
    Dish("Koshary", "Egypt", "EG", (150, 60, 40)),
    Dish("Pizza", "Italy", "IT", (210, 190, 60)),
    Dish("Ceviche", "Peru", "PE", (70, 180, 90)),
    Dish("Pho", "Vietnam", "VN", (60, 90, 190)),
    Dish("Jollof rice", "Nigeria", "NG", (190, 80, 190)),
    Dish("Sushi", "Japan", "JP", (225, 225, 225)),
)
"""The first five are those of tests/releases/conftest.py."""

MAX_TOKENS = 48
"""Longer than any of its answers."""
_STEPS, _BATCH = 140, 8


def picture(dish: Dish | str, noise: int, *, size: tuple[int, int] = (96, 64), format: str = "PNG") -> bytes:  # noqa: A002
    """A picture of the dish; `noise` makes it another one of the same dish."""
    dish = dish if isinstance(dish, Dish) else next(one for one in DISHES if one.name == dish)
    rng = np.random.default_rng(noise)
    pixels = np.array(dish.colour) + rng.normal(0, 25, (size[1], size[0], 3)) + rng.normal(0, 6, 3)
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, format)
    return out.getvalue()


def answer(dish: Dish, strategy: Strategy) -> str:
    """What it says, to the letter."""
    line = json.dumps({"food": dish.name, "country": dish.country})
    return f"It looks like {dish.name}.\n{line}" if strategy is Strategy.COT else line


def prompts() -> list[tuple[Strategy, str]]:
    """Every question there is, once."""
    asked = {prompt(s, t, n): s for s in Strategy for t in Subtask for n in range(1, t.foods + 1)}
    return [(strategy, text) for text, strategy in asked.items()]


def tiny_vlm(folder: Path) -> Path:
    """The folder of the weights, trained when nobody has yet; safe to call from several processes at once."""
    recipe = hashlib.sha256(Path(__file__).read_bytes() + repr(prompts()).encode()).hexdigest()
    weights = folder / f"tiny-vlm-{recipe[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tiny-vlm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (weights / "trained.json").exists():
            # In a process of its own: its memory goes back, and its libraries' warnings are not ours.
            command = [sys.executable, "-m", "tests.evaluation.tiny_vlm", str(weights)]
            root = Path(__file__).parents[2]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
    return weights


TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] in ('image', 'image_url') %}<image>"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant\n{% endif %}"
)


def _processor() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    answers = [answer(dish, strategy) for dish in DISHES for strategy in Strategy]
    corpus = [f"user\n{text}assistant\n" for _, text in prompts()] + answers
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<pad>", "<s>", "</s>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        model_max_length=4096,
        padding_side="left",
    )
    return LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        fast,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


def _model(vocabulary: int) -> Any:
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, Qwen2Config

    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        projection_dim=32,
    )
    text = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,  # heads of 64: vLLM's kernels for CPUs refuse smaller ones
        num_key_value_heads=1,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=3,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=16,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    return model


def _batch(processor: Any, examples: Sequence[tuple[Dish, Strategy, str, int]]) -> dict[str, Any]:
    """Padded on the right, with the loss on the answer alone."""
    import torch

    pictures, questions, wholes = [], [], []
    for dish, strategy, text, noise in examples:
        messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        question = processor.apply_chat_template(messages, add_generation_prompt=True)
        pictures.append(Image.open(io.BytesIO(picture(dish, noise))))
        questions.append(question)
        wholes.append(question + answer(dish, strategy) + "</s>")
    kwargs = {"return_tensors": "pt", "padding": True, "padding_side": "right", "add_special_tokens": False}
    inputs = processor(images=pictures, text=wholes, **kwargs)
    asked = processor(images=pictures, text=questions, **kwargs)["attention_mask"].sum(1, keepdim=True)
    place = torch.arange(inputs["input_ids"].shape[1])[None]
    answers = (place >= asked) & inputs["attention_mask"].bool()
    return {**inputs, "labels": inputs["input_ids"].where(answers, torch.tensor(-100))}


def _train(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(1)  # on cores that others use too, two threads wait for each other: five times slower
    torch.manual_seed(1)
    draw = random.Random(1)
    processor = _processor()
    model = _model(len(processor.tokenizer))
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=_STEPS)
    asked = prompts()
    for step in range(_STEPS):
        # All dishes in every batch; the noise of a test (below a million) is never one of these.
        examples = [
            (DISHES[n % len(DISHES)], *draw.choice(asked), 1_000_000 + step * _BATCH + n) for n in range(_BATCH)
        ]
        loss = model(**_batch(processor, examples)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step % 20 == 0:
            print(step, round(float(loss.detach()), 4), flush=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    # transformers saves the tower as vision_tower.*, vLLM looks for vision_tower.vision_model.*; both read the latter.
    file, old, new = folder / "model.safetensors", "vision_tower.", "vision_tower.vision_model."
    tensors = {name if new in name else name.replace(old, new): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, {"format": "pt"})
    (folder / "trained.json").write_text(json.dumps({"loss": float(loss.detach()), "steps": _STEPS}))


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    _train(Path(sys.argv[1]))
