"""A real `terroir serve` on a home of its own, as people run it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.db.embedded import serving_address

TERROIR = str(Path(sys.executable).parent / "terroir")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment with Terroir's settings replaced by these."""
    ours = {"TERROIR_HOME": str(home), "TERROIR_HOST": "127.0.0.1", "TERROIR_PORT": "0"}
    return {name: value for name, value in os.environ.items() if not name.startswith("TERROIR_")} | ours | settings


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[str]:
    """The address of a server that is ready; stopped at the end, by its own process id."""
    with subprocess.Popen(
        [TERROIR, "serve"], env=environment(home, **settings), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("Terroir is ready")
            address = serving_address(home)
            assert address is not None
            yield address
        finally:
            server.terminate()
            server.wait(timeout=40)
    assert server.returncode == 0
