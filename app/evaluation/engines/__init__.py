"""What answers questions about images: one file an engine, all behind one Protocol.

torch, transformers, vllm and ray are imported only in this folder, inside the function that needs them.
"""

import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from app.errors import Invalid, TerroirError


class UnusableEngine(TerroirError):
    """No question can be asked as things stand: a refused key, an unknown model, missing or unsafe weights."""

    type = "unusable-engine"
    title = "The model can't be asked"


class MissingExtra(UnusableEngine):
    """What an engine needs is not installed here."""


class Question(NamedTuple):
    prompt: str
    image: bytes
    media_type: str


class Reply(NamedTuple):
    """What came of one question: `text`, or the `error` that kept us from one.

    `is_cut`: stopped at the limit of tokens. `is_refused`: the engine itself calls it a refusal. Token counts as the
    engine gives them, None where it gives none. `gpu_ms`: this question's share of the time its GPUs were held.
    """

    text: str | None = None
    is_cut: bool = False
    is_refused: bool = False
    error: str | None = None
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    gpu_ms: int | None = None


class Capabilities(NamedTuple):
    """What an engine can be asked for; what it can't is refused before a run starts, never left out in silence.

    `json`: replies held to the schema of an answer. `adapters`: LoRA weights beside the model's. `images`: at most so
    many a question. `loads_weights`: it runs on the machine it is made on, so that Ray may place it on a GPU.
    """

    logprobs: bool = False
    n: bool = False
    seed: bool = False
    json: bool = False
    adapters: bool = False
    images: int = 1
    loads_weights: bool = True


@dataclass(frozen=True)
class Setup:
    """All that an engine is made from, as JSON: kept on the run, sent to whoever makes the engine.

    What of it can change an answer, the engine's `describe` says. `model` is a folder, a repository of the hub, or the
    name a server knows. `seed` and `temperature` are None where an API takes none. `max_pixels` is the most pixels the
    model is shown. `api_key_env` names the environment variable of the worker that holds the key; a key itself is never
    here. `gpus` may be a fraction.
    """

    engine: str
    model: str
    max_tokens: int
    seed: int | None = 0
    temperature: float | None = 0
    json: bool = False
    stop: tuple[str, ...] = ()
    max_pixels: int | None = None
    revision: str | None = None
    adapter: str | None = None
    dtype: str = "auto"
    trust_remote_code: bool = False
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    max_tokens_name: str = "max_tokens"
    requests_per_minute: int | None = None
    in_flight: int = 8
    batch_size: int = 8
    gpus: float = 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"stop": list(self.stop)}

    @staticmethod
    def of(document: dict[str, Any]) -> "Setup":
        return Setup(**{**document, "stop": tuple(document.get("stop", ()))})


class Engine(Protocol):
    """`in_flight` calls of `answer`, each with at most `batch_size` questions, keep it busy."""

    capabilities: Capabilities
    in_flight: int
    batch_size: int

    def describe(self) -> dict[str, Any]:
        """What of it can change an answer: part of a run's spec, the same on every machine, free of secrets. `name`
        and `version` are the engine's own, `library` and its version what it runs on."""

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        """One reply a question, in order; called from several threads where `in_flight` is above 1. What fails for one
        question is that reply's `error`; what no question can get past is raised as UnusableEngine."""

    def close(self) -> None:
        """Lets go of connections and memory; calls under way end soon, with an error a question."""


ENGINES = {
    "openai": "app.evaluation.engines.openai:OpenAIEngine",
    "transformers": "app.evaluation.engines.transformers:TransformersEngine",
    "vllm": "app.evaluation.engines.vllm:VLLMEngine",
    "classifier": "app.evaluation.engines.classifier:ClassifierEngine",
}


def engine_class(name: str) -> Any:
    """The class of an engine, to read its `capabilities` before anything heavy is loaded. Raises Invalid."""
    if name not in ENGINES:
        raise Invalid(f"There is no engine “{name[:32]}”; there are {', '.join(ENGINES)}.")
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def check(setup: Setup) -> None:
    """Refuses what the engine can't do. Raises Invalid."""
    can: Capabilities = engine_class(setup.engine).capabilities
    for asked, name, words in (
        (setup.adapter is not None, "adapters", "adapter weights"),
        (setup.json, "json", "answers held to a JSON schema"),
    ):
        if asked and not getattr(can, name):
            raise Invalid(f"The engine {setup.engine} can't do {words}; leave that out or choose another engine.")


def make_engine(setup: Setup) -> Engine:
    """The engine, its weights loaded and its server's address checked. Raises UnusableEngine and Invalid."""
    check(setup)
    engine: Engine = engine_class(setup.engine)(setup)
    return engine
