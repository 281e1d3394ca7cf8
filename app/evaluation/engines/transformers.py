"""Hugging Face transformers in this process: any AutoModelForImageTextToText with safetensors, decoded greedily."""

import importlib.util
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from app.errors import Invalid
from app.evaluation.engines import Capabilities, MissingExtra, Question, Reply, Setup, UnusableEngine
from app.evaluation.engines.pictures import PREPROCESSING, BadPicture, shown
from app.evaluation.engines.weights import Weights, describe, find_adapter, find_weights, missing_extra, stay_offline
from app.evaluation.replies import MAX_REPLY, storable

DTYPES = ("auto", "float32", "bfloat16", "float16")
_STOPPED = "The run was stopped."


class _Asked(NamedTuple):
    """A question that can be asked, and its place in the batch."""

    place: int
    conversation: list[dict[str, Any]]


class TransformersEngine:
    """Each question is a conversation of its own; a batch of them is padded on the left and decoded together.

    A batch that does not fit the memory is halved, and later ones are as small from the start. One that fails for
    another reason is halved too, until the question at fault stands alone.
    """

    capabilities = Capabilities(adapters=True)
    in_flight = 1

    def __init__(self, setup: Setup) -> None:
        if setup.temperature:
            raise Invalid("The engine transformers decodes greedily; leave the temperature at 0, or choose another.")
        if setup.dtype not in DTYPES:
            raise Invalid(f"There is no dtype “{setup.dtype[:32]}”; there are {', '.join(DTYPES)}.")
        stay_offline()
        try:
            import torch
            import transformers
        except ImportError:
            raise missing_extra("transformers", "torch and transformers") from None
        transformers.utils.logging.disable_progress_bar()
        self.batch_size = self._fits = setup.batch_size
        self._setup, self._torch = setup, torch
        self._weights, self._adapter = find_weights(setup), find_adapter(setup)
        self._on_gpu = torch.cuda.is_available() and setup.gpus > 0
        self._stopped = threading.Event()
        self._model, self._processor = _load(setup, self._weights, self._adapter, on_gpu=self._on_gpu)
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])
        self._description = self._describe()

    def describe(self) -> dict[str, Any]:
        return self._description

    def _describe(self) -> dict[str, Any]:
        decoding = {
            "temperature": 0,
            "repetition_penalty": self._model.generation_config.repetition_penalty or 1.0,
            "max_tokens": self._setup.max_tokens,
            "stop": list(self._setup.stop),
        }
        return {
            "name": "transformers",
            "version": 1,
            "library": f"transformers {version('transformers')}",
            "torch": version("torch").partition("+")[0],
            "pillow": version("pillow"),
            **describe(self._weights, self._adapter),
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "decoding": decoding,
            "image": {**PREPROCESSING, "max_pixels": self._setup.max_pixels},
        }

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        replies: dict[int, Reply] = {}
        asked = []
        for place, question in enumerate(batch):
            try:
                picture = shown(question.image, self._setup.max_pixels)
            except BadPicture as error:
                replies[place] = Reply(error=str(error))
                continue
            content = [{"type": "image", "image": picture}, {"type": "text", "text": question.prompt}]
            asked.append(_Asked(place, [{"role": "user", "content": content}]))
        while asked:
            now, asked = asked[: self._fits], asked[self._fits :]
            replies |= self._try(now)
        return [replies[place] for place in range(len(batch))]

    def close(self) -> None:
        self._stopped.set()  # a batch under way ends with its next token
        self._model = self._processor = None
        if self._on_gpu:
            self._torch.cuda.empty_cache()

    def _try(self, asked: list[_Asked]) -> dict[int, Reply]:
        try:
            return self._generate(asked)
        except self._torch.OutOfMemoryError:
            words, is_memory = "The question doesn't fit the GPU's memory.", True
        except Exception as error:  # a model's own code raises what it likes
            reason = " ".join(str(error).split())[:200]
            if "CUDA error" in reason:  # nothing this process asks of the GPU can succeed any more
                raise UnusableEngine(f"The GPU failed: {reason}. Start the run again to go on.") from error
            words, is_memory = f"The model can't answer this: {type(error).__name__}: {reason}.", False
        # Outside the except clause: the error's traceback would keep the batch's tensors alive.
        if is_memory and self._on_gpu:
            self._torch.cuda.empty_cache()
        half = len(asked) // 2
        if not half:
            return {asked[0].place: Reply(error=storable(words))}
        if is_memory:
            self._fits = min(self._fits, half)
        return self._try(asked[:half]) | self._try(asked[half:])

    def _generate(self, asked: list[_Asked]) -> dict[int, Reply]:
        model, processor = self._model, self._processor
        if self._stopped.is_set():
            return {one.place: Reply(error=_STOPPED) for one in asked}
        began = time.monotonic()
        inputs = processor.apply_chat_template(
            [one.conversation for one in asked],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(model.device, dtype=model.dtype)
        with self._torch.inference_mode():
            output = model.generate(
                **inputs,
                stop_strings=list(self._setup.stop) or None,
                tokenizer=processor.tokenizer,
                stopping_criteria=[self._is_stopped],
            )
        rows = output[:, inputs["input_ids"].shape[1] :].tolist()
        lengths = inputs["attention_mask"].sum(1).tolist()
        if self._stopped.is_set():
            return {one.place: Reply(error=_STOPPED) for one in asked}
        elapsed_ms = (time.monotonic() - began) * 1000
        gpu_ms = round(elapsed_ms * self._setup.gpus / len(asked)) if self._on_gpu else None
        return {
            one.place: self._reply(row, processor.tokenizer)._replace(
                latency_ms=round(elapsed_ms), input_tokens=length, gpu_ms=gpu_ms
            )
            for one, row, length in zip(asked, rows, lengths, strict=True)
        }

    def _is_stopped(self, tokens: Any, _scores: Any, **_: Any) -> Any:
        return self._torch.full((len(tokens),), self._stopped.is_set(), device=tokens.device)

    def _reply(self, tokens: list[int], tokenizer: Any) -> Reply:
        """What the row says up to its end; behind it stands padding, as long as others of the batch went on."""
        end = next((place for place, token in enumerate(tokens) if token in self._ends), None)
        if end is not None:
            tokens = tokens[: end + 1]
        text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        cuts = [place for stop in self._setup.stop if (place := text.find(stop)) >= 0]
        if cuts:
            text = text[: min(cuts)]
            while tokens and tokens[-1] == tokenizer.pad_token_id:
                tokens = tokens[:-1]
        is_cut = end is None and not cuts
        return Reply(text=storable(text[: MAX_REPLY + 1]), is_cut=is_cut, output_tokens=len(tokens))


def _load(setup: Setup, weights: Weights, adapter: Weights | None, *, on_gpu: bool) -> tuple[Any, Any]:
    """Model and processor, ready to generate. Raises UnusableEngine for all that a model's files can lead to."""
    if adapter is not None and importlib.util.find_spec("peft") is None:
        raise MissingExtra("Adapter weights need the package peft, which isn't installed here; run pip install peft.")
    from transformers import AutoModelForImageTextToText, AutoProcessor

    places = {"device_map": "auto" if setup.gpus > 1 else {"": 0}} if on_gpu else {}
    common = {"local_files_only": True, "trust_remote_code": weights.has_code}
    try:
        model, loading = AutoModelForImageTextToText.from_pretrained(
            weights.folder, dtype=setup.dtype, use_safetensors=True, output_loading_info=True, **places, **common
        )
        processor = AutoProcessor.from_pretrained(weights.folder, **common)
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter.folder).merge_and_unload()
    except Exception as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise UnusableEngine(f"{weights.name} can't be loaded: {type(error).__name__}: {reason}.") from error
    # transformers only warns, and answers with random weights in their place.
    if missing := sorted(loading["missing_keys"]):
        raise UnusableEngine(f"{weights.name} lacks {len(missing)} of its weights, as {missing[0]}; copy it again.")
    if not getattr(processor, "chat_template", None) or not hasattr(processor, "image_processor"):
        raise UnusableEngine(f"{weights.name} has no chat template for images; choose a model that was tuned to chat.")
    _be_greedy(model, processor.tokenizer, setup.max_tokens)
    return model.eval(), processor


def _be_greedy(model: Any, tokenizer: Any, max_tokens: int) -> None:
    """Its own generation config, with a repetition penalty where it has one, but nothing drawn by chance."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = model.generation_config
    config.do_sample, config.num_beams, config.max_new_tokens, config.max_length = False, 1, max_tokens, None
    config.temperature = config.top_p = config.top_k = config.min_p = config.typical_p = None
    config.eos_token_id = tokenizer.eos_token_id if config.eos_token_id is None else config.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
