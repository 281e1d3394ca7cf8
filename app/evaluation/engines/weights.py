"""Where a model's weights lie, the hash that names them, and what is refused: code of their own, pickles, downloads."""

import functools
import hashlib
import json
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from app.evaluation.engines import MissingExtra, Setup, UnusableEngine

logger = logging.getLogger(__name__)
ALLOW = "TERROIR_ALLOW_DOWNLOADS"
_READ = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
"""Files of a model's folder that an engine reads: weights, configurations, tokenizer, chat template."""
_HASHED = (*_READ[:3], "merges.txt", "vocab.txt", "*.model", "additional_chat_templates/*.jinja")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Weights(NamedTuple):
    """`name` says no folder of this machine; `revision` is a commit of the hub. `has_code`: of its own, and granted."""

    folder: Path
    name: str
    revision: str | None
    sha256: str
    has_code: bool


def find_weights(setup: Setup) -> Weights:
    """The weights of `setup.model`: a folder, or a repository in the hub's cache, or, where TERROIR_ALLOW_DOWNLOADS=1,
    on the hub. Raises UnusableEngine."""
    weights = _checked(setup.model, setup.revision, setup.trust_remote_code)
    if (weights.folder / "adapter_config.json").exists():  # transformers would load the model that it names instead
        raise UnusableEngine(f"{weights.name} holds an adapter; name its model, and this as the adapter beside it.")
    return weights


def find_adapter(setup: Setup) -> Weights | None:
    """The adapter's weights, held to the same rules; its code is never run."""
    return None if setup.adapter is None else _checked(setup.adapter, None, False)


def stay_offline() -> None:
    """Keeps the hub's libraries from the network, unless downloads are allowed. Before they are imported."""
    if os.environ.get(ALLOW) != "1":
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"


def _checked(model: str, revision: str | None, trust: bool) -> Weights:
    folder = Path(model).expanduser()
    is_local = folder.is_dir()
    if not is_local:
        folder = _from_hub(model, revision, trust)
        revision = folder.name if _COMMIT.fullmatch(folder.name) else revision
    name = folder.resolve().name if is_local else model
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        reason = f"only {pickles[0]}, a format that can run code when it is opened" if pickles else "no weights"
        raise UnusableEngine(f"{name} holds {reason}; convert the model to safetensors, the one format we load.")
    if code := _code_of(folder):
        if not trust:
            raise UnusableEngine(
                f"{name} brings code of its own ({code}), which is not run; choose a model that transformers knows, or "
                "grant trust_remote_code if you have read that code."
            )
        logger.warning("%s runs code of its own (%s), as trust_remote_code grants", name, code)
    return Weights(folder, name, None if is_local else revision, _hash_of(folder, with_code=bool(code)), bool(code))


def _from_hub(model: str, revision: str | None, trust: bool) -> Path:
    is_allowed = os.environ.get(ALLOW) == "1"
    if not _REPOSITORY.fullmatch(model) or ".." in model:
        raise UnusableEngine(f"There is no folder {model}; name one that holds the model's weights.")
    if is_allowed and not _COMMIT.fullmatch(revision or ""):
        raise UnusableEngine(
            f"{model} would be downloaded as it is today; give the commit (40 hexadecimal digits) as its revision, so "
            "that it stays the same model."
        )
    stay_offline()
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise missing_extra("transformers", "huggingface_hub") from None
    try:
        found = snapshot_download(
            model,
            revision=revision,
            local_files_only=not is_allowed,
            allow_patterns=[*_READ, "additional_chat_templates/*", *(["*.py"] if trust else [])],
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        if is_allowed:
            reason = " ".join(str(error).split())[:200]
            raise UnusableEngine(f"{model} at {revision} can't be downloaded ({reason}).") from error
        raise UnusableEngine(
            f"{model} is neither a folder nor in this machine's Hugging Face cache, and weights are not downloaded; "
            f"put them there, or set {ALLOW}=1 and give a commit as the revision."
        ) from error
    return Path(found)


def _code_of(folder: Path) -> str | None:
    """What would run, in a few words."""
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size > 50_000_000 or path.name.endswith(".index.json"):
            continue
        try:
            document = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise UnusableEngine(f"{path.name} of {folder.name} is no JSON; copy the model again.") from None
        if isinstance(document, dict) and "auto_map" in document:
            return f"auto_map in {path.name}"
    return next((path.name for path in sorted(folder.glob("*.py"))), None)


def _hash_of(folder: Path, *, with_code: bool) -> str:
    """SHA-256 of the lines `SHA256  NAME` of its files in the order of their names, as `sha256sum` prints them."""
    paths = {path for pattern in (*_HASHED, *(["*.py"] if with_code else [])) for path in folder.glob(pattern)}
    ordered = sorted((path.relative_to(folder).as_posix(), path) for path in paths if path.is_file())
    with ThreadPoolExecutor(4) as pool:
        hashes = pool.map(_file_hash, (path for _, path in ordered))
        lines = [f"{sha256}  {name}\n" for (name, _), sha256 in zip(ordered, hashes, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    stat = path.stat()
    return _hash_once(path.resolve(), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _hash_once(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing_extra(engine: str, package: str) -> MissingExtra:
    return MissingExtra(
        f"The engine {engine} needs {package}, which isn't installed here; install the extra: pip install '.[gpu]'."
    )


def describe(weights: Weights, adapter: Weights | None) -> dict[str, Any]:
    """What a run's spec says of its weights."""
    said: dict[str, Any] = {
        "model": weights.name,
        "revision": weights.revision,
        "weights_sha256": weights.sha256,
        "runs_own_code": weights.has_code,
    }
    if adapter is not None:
        said |= {"adapter": adapter.name, "adapter_sha256": adapter.sha256}
    return said
