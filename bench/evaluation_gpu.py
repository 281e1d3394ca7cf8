"""Images a second and the GPU's busy share through the `transformers` engine, beside the bare loop of `generate`.

    python -m bench.evaluation_gpu            on a GPU with 40 GB: a LLaVA of 7 billion random weights in bfloat16
    python -m bench.evaluation_gpu --tiny     tries the measurement itself on a CPU; its figures mean nothing

The model is made here, in its full size but never trained: how long an answer takes does not depend on what it says.
Both ways decode the same JPEGs, ask the same question and write the same number of tokens, in batches of the same
size; they take turns, and what is printed are medians over the rounds.
"""

import argparse
import gc
import io
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from app.evaluation.engines import Question, Setup, make_engine
from app.evaluation.fleet import LocalFleet
from app.evaluation.prompts import Strategy, prompt
from app.items.models import Subtask

SEEDS = Path(__file__).parents[1] / "tests/items/seeds"
TOKENS = 48
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}assistant\n"
)


class Size(NamedTuple):
    """`vision` and `text` are hidden size, inner size, layers and heads."""

    vision: tuple[int, int, int, int]
    text: tuple[int, int, int, int]
    picture: int
    vocabulary: int
    images: int
    batch: int
    rounds: int


FULL = Size((1024, 4096, 24, 16), (4096, 11008, 32, 32), 336, 32_064, 256, 16, 3)
TINY = Size((32, 64, 2, 2), (64, 128, 2, 2), 56, 512, 16, 4, 2)


def make_model(folder: Path, size: Size, device: str) -> int:
    """LLaVA-1.5's architecture, its weights drawn by chance, as safetensors in the folder; how many there are."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    words = ["<pad>", "<s>", "</s>", "<image>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(words[:4])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", padding_side="left")
    processor = LlavaProcessor(
        CLIPImageProcessorPil(
            size={"shortest_edge": size.picture}, crop_size={"height": size.picture, "width": size.picture}
        ),
        fast,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            **dict(zip(names, size.vision, strict=True)), image_size=size.picture, patch_size=14
        ),
        text_config=LlamaConfig(
            **dict(zip(names, size.text, strict=True)),
            vocab_size=size.vocabulary,
            max_position_embeddings=4096,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        ),
        image_token_id=3,
        image_seq_length=(size.picture // 14) ** 2,
    )
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    try:
        with torch.device(device):
            model = LlavaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(usual)
    model.generation_config.min_new_tokens = TOKENS  # an untrained model would end where chance has it
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return int(model.num_parameters())


def bare_loop(folder: Path, device: str) -> Callable[[list[Question]], None]:
    """What one would write with transformers alone."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto").to(device).eval()
    processor = AutoProcessor.from_pretrained(folder)

    def answer(batch: list[Question]) -> None:
        conversations = [
            [
                {
                    "role": "user",
                    "content": [{"type": "image", "image": image}, {"type": "text", "text": question.prompt}],
                }
            ]
            for question in batch
            for image in (Image.open(io.BytesIO(question.image)).convert("RGB"),)
        ]
        inputs = processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(device, dtype=model.dtype)
        with torch.inference_mode():
            output = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
        processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    return answer


class Busy:
    """The GPU's busy share in per cent, as nvidia-smi samples it five times a second; `mean` is None where it can't."""

    mean: float | None = None


@contextmanager
def gpu_watched() -> Iterator[Busy]:
    busy, shares = Busy(), []
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    command = [
        "nvidia-smi",
        f"--id={first}",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-lms",
        "200",
    ]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        yield busy
        return

    def read() -> None:
        assert process.stdout is not None
        shares.extend(int(line) for line in process.stdout if line.strip().isdigit())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield busy
    finally:
        process.terminate()
        thread.join()
        process.wait()
        busy.mean = statistics.mean(shares) if shares else None


def measured(work: Callable[[], Any], images: int) -> tuple[float, float | None]:
    """Images a second, and the busy share meanwhile."""
    with gpu_watched() as busy:
        start = time.monotonic()
        work()
        rate = images / (time.monotonic() - start)
    return rate, busy.mean


def through(fleet: LocalFleet, batches: list[list[Question]]) -> None:
    """As a run does: batches go out while there is room. Every reply must be an answer of the full length."""
    waiting, back = list(enumerate(batches)), 0
    while back < len(batches):
        while waiting and fleet.room():
            fleet.submit(*waiting.pop(0))
        for _, replies in fleet.finished(1.0):
            back += 1
            for reply in replies:
                assert reply.error is None, reply.error
                assert reply.output_tokens == TOKENS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="try the measurement itself on a CPU")
    is_tiny = parser.parse_args().tiny
    try:
        import torch
    except ImportError:
        sys.exit("evaluation_gpu needs torch and transformers: pip install '.[gpu]'. Nothing was measured.")
    if not is_tiny and not torch.cuda.is_available():
        sys.exit("There is no GPU here, so nothing was measured; run this on a machine that has one, with 40 GB.")
    size, device = (TINY, "cpu") if is_tiny else (FULL, "cuda")
    paths = itertools.cycle(sorted(SEEDS.rglob("*.jpg")))
    text = prompt(Strategy.BASE, Subtask.SF, 1)
    questions = [Question(text, next(paths).read_bytes(), "image/jpeg") for _ in range(size.images)]
    batches = [questions[first : first + size.batch] for first in range(0, len(questions), size.batch)]
    with tempfile.TemporaryDirectory() as folder:
        parameters = make_model(Path(folder), size, device)
        gc.collect()
        if device == "cuda":
            torch.cuda.empty_cache()
        setup = Setup("transformers", folder, TOKENS, batch_size=size.batch, gpus=0 if is_tiny else 1)
        fleet, bare = LocalFleet(make_engine(setup)), bare_loop(Path(folder), device)

        def all_bare() -> None:
            for batch in batches:
                bare(batch)

        through(fleet, batches[:1])  # both warm
        bare(batches[0])
        rounds = [
            (measured(all_bare, size.images), measured(lambda: through(fleet, batches), size.images))
            for _ in range(size.rounds)
        ]
        fleet.close()
    where = torch.cuda.get_device_name() if device == "cuda" else "a CPU; the figures mean nothing"
    print(f"{parameters / 1e6:,.1f} M random weights on {where}; {size.images} images, {TOKENS} tokens each")
    rates: list[float] = []
    for name, column in zip(("bare loop of generate", "transformers engine"), zip(*rounds, strict=True), strict=True):
        rates.append(statistics.median(rate for rate, _ in column))
        shares = [share for _, share in column if share is not None]
        busy = f"GPU busy {statistics.median(shares):.0f} %" if shares else "no GPU to watch"
        print(f"{name:24} {rates[-1]:8.2f} images/s   {busy}")
    print(f"{'ratio':24} {rates[1] / rates[0]:8.2f}")


if __name__ == "__main__":
    main()
