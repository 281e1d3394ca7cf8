"""vLLM in this process: the weights and the questions of the `transformers` engine, many at once."""

import importlib.util
import json
import os
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from app.evaluation.engines import Capabilities, MissingExtra, Question, Reply, Setup, UnusableEngine
from app.evaluation.engines.openai import ANSWER_FORMAT
from app.evaluation.engines.pictures import PREPROCESSING, BadPicture, shown
from app.evaluation.engines.weights import Weights, describe, find_adapter, find_weights, stay_offline
from app.evaluation.replies import MAX_REPLY, storable

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM lets the largest rank of an adapter be."""
_GPU_MEMORY = 0.9
"""The share of a GPU's memory that weights and cache may fill; the rest is CUDA's."""
_STOPPED = "The run was stopped."


class VLLMEngine:
    """A batch at a time; vLLM schedules within it, so that one of less than 64 leaves a GPU idle.

    What was asked before changes no answer: prefixes are not cached, for a cached one can round differently. A
    repetition penalty in the model's own generation config holds, as it does in `vllm serve` and in transformers.
    A fraction of a GPU is that share of its memory; a model over several GPUs is split by tensor parallelism.
    Neither logprobs nor several answers can be asked for: a Reply has no place for them.
    """

    capabilities = Capabilities(seed=True, json=True, adapters=True)
    in_flight = 1

    def __init__(self, setup: Setup) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise MissingExtra("vLLM isn't installed here; `pip install '.[vllm]'` on a machine with a GPU brings it.")
        # In this process, without a child that would outlive it and keep the GPU when somebody kills it.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ["VLLM_NO_USAGE_STATS"] = "1"
        stay_offline()
        self.batch_size = setup.batch_size
        self._setup = setup
        self._weights, self._adapter = find_weights(setup), find_adapter(setup)
        self._stopped = threading.Event()
        self._busy = threading.Lock()
        try:
            self._lora = _lora(self._adapter)
            self._llm = _load(setup, self._weights, self._adapter)
            if self._lora is not None:
                self._llm.llm_engine.add_lora(self._lora)
        except Exception as error:  # whatever a model's files can lead to
            reason = " ".join(str(error).split())[:300].rstrip(".")
            raise UnusableEngine(f"vLLM can't load {self._weights.name}: {type(error).__name__}: {reason}.") from error
        self._on_gpu = setup.gpus > 0 and not _is_cpu()
        self._params = _sampling(setup, self._llm)

    def describe(self) -> dict[str, Any]:
        import vllm

        return {
            "name": "vllm",
            "version": 1,
            "library": f"vllm {vllm.__version__}",
            "torch": version("torch").partition("+")[0],
            "pillow": version("pillow"),
            **describe(self._weights, self._adapter),
            "dtype": str(self._llm.model_config.dtype).removeprefix("torch."),
            "decoding": {
                "temperature": self._params.temperature,
                "repetition_penalty": self._params.repetition_penalty,
                "max_tokens": self._setup.max_tokens,
                "seed": self._setup.seed,
                "stop": list(self._setup.stop),
                "json": self._setup.json,
            },
            "image": {**PREPROCESSING, "max_pixels": self._setup.max_pixels},
        }

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        with self._busy:
            if self._stopped.is_set():
                return [Reply(error=_STOPPED)] * len(batch)
            began = time.monotonic()
            replies = [self._enqueue(question) for question in batch]
            outputs: list[Any] = []
            while self._llm.llm_engine.has_unfinished_requests() and not self._stopped.is_set():
                # What fails in here is no question's fault, and the engine is of no more use: it is not caught.
                outputs += [output for output in self._llm.llm_engine.step() if output.finished]
            elapsed_ms = (time.monotonic() - began) * 1000
        if self._stopped.is_set():
            return [reply or Reply(error=_STOPPED) for reply in replies]
        answered = iter(sorted(outputs, key=lambda output: int(output.request_id)))  # numbered as they were enqueued
        return [reply or self._reply(next(answered), elapsed_ms, len(batch)) for reply in replies]

    def close(self) -> None:
        self._stopped.set()
        with self._busy:
            from vllm.distributed import cleanup_dist_env_and_memory

            self._llm.llm_engine.engine_core.shutdown()
            del self._llm
            cleanup_dist_env_and_memory()

    def _enqueue(self, question: Question) -> Reply | None:
        """An error where this question can't even be asked: an image that can't be read, a prompt that is too long."""
        try:
            picture = shown(question.image, self._setup.max_pixels)
        except BadPicture as error:
            return Reply(error=str(error))
        try:
            content = [{"type": "image_pil", "image_pil": picture}, {"type": "text", "text": question.prompt}]
            message: Any = {"role": "user", "content": content}
            self._llm.enqueue_chat([message], self._params, use_tqdm=False, lora_request=self._lora)
        except Exception as error:
            reason = " ".join(str(error).split())[:300].rstrip(".")
            return Reply(error=storable(f"The model can't be asked this: {type(error).__name__}: {reason}."))
        return None

    def _reply(self, output: Any, elapsed_ms: float, batch: int) -> Reply:
        [answer] = output.outputs
        if answer.finish_reason not in ("stop", "length"):
            return Reply(error=f"vLLM ended the answer: {answer.finish_reason}.")
        return Reply(
            text=storable(answer.text[: MAX_REPLY + 1]),
            is_cut=answer.finish_reason == "length",
            latency_ms=round(elapsed_ms),
            input_tokens=len(output.prompt_token_ids),
            output_tokens=len(answer.token_ids),
            gpu_ms=round(elapsed_ms * self._setup.gpus / batch) if self._on_gpu else None,
        )


def _load(setup: Setup, weights: Weights, adapter: Weights | None) -> Any:
    from vllm import LLM

    lora: dict[str, Any] = {}
    if adapter is not None:
        rank = json.loads((adapter.folder / "adapter_config.json").read_bytes())["r"]
        lora = {"enable_lora": True, "max_lora_rank": min((most for most in _RANKS if rank <= most), default=rank)}
    return LLM(
        str(weights.folder),
        dtype=setup.dtype,
        seed=setup.seed,
        load_format="safetensors",
        trust_remote_code=weights.has_code,
        tensor_parallel_size=max(1, int(setup.gpus)),
        gpu_memory_utilization=_GPU_MEMORY * min(1.0, setup.gpus or 1.0),
        max_model_len=-1,  # what the model knows, or what fits beside its weights
        max_num_seqs=setup.batch_size,
        enforce_eager=_is_cpu(),  # there, compiling takes a C++ compiler and more time than it saves
        limit_mm_per_prompt={"image": 1},
        mm_processor_cache_gb=0,  # an image is asked about once or twice
        enable_prefix_caching=False,
        disable_log_stats=True,
        use_tqdm_on_load=False,
        **lora,
    )


def _is_cpu() -> bool:
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def _lora(adapter: Weights | None) -> Any:
    if adapter is None:
        return None
    from vllm.lora.request import LoRARequest

    return LoRARequest("adapter", 1, str(adapter.folder))


def _sampling(setup: Setup, llm: Any) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    form: Any = ANSWER_FORMAT["json_schema"]
    ours: dict[str, Any] = {
        "max_tokens": setup.max_tokens,
        "seed": setup.seed,
        "stop": list(setup.stop),
        "structured_outputs": StructuredOutputsParams(json=form["schema"]) if setup.json else None,
    }
    if setup.temperature is not None:
        ours["temperature"] = float(setup.temperature)
    return SamplingParams.from_optional(**llm.model_config.get_diff_sampling_param() | ours)
