"""What made a run's answers, for those who wonder later why theirs differ: code, packages, machine."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from typing import Any

from app.settings import ROOT

PACKAGES = ("terroir", "torch", "transformers", "vllm", "ray", "openai", "pillow", "numpy")


@functools.cache
def provenance() -> dict[str, Any]:
    """The code's revision and whether it was changed since, the versions of what takes part, Python and platform.

    Outside a checkout the revision is TERROIR_REVISION, which the container image sets; else null.
    """
    revision, is_dirty = _revision()
    return {
        "code_revision": revision,
        "is_dirty": is_dirty,
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _revision() -> tuple[str | None, bool | None]:
    try:
        head, status = (
            subprocess.run(  # noqa: S603  (fixed words, no shell)
                ["git", "-C", str(ROOT), *arguments],  # noqa: S607  (whichever git there is)
                capture_output=True, text=True, check=True, timeout=10,
            ).stdout
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("TERROIR_REVISION") or None, None
    return head.strip(), bool(status.strip())
