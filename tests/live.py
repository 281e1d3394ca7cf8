"""A whole installation as its users have it: real processes, a real database, real HTTP."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from app.accounts import service as accounts
from app.accounts.access import Keys
from app.accounts.models import Role
from app.db import make_engine, transaction
from app.db.connect import database_url
from app.settings import ROOT, Settings

TERROIR = Path(sys.executable).parent / "terroir"
SAMPLE = ROOT.parent / "shared" / "culturemix-sample"
DEMO = ROOT / "demo"


@contextmanager
def fresh_home() -> Iterator[Path]:
    """A TERROIR_HOME to throw away. Not below pytest's own folder, which it closes to all other users whenever one
    of its runs begins: as root, PostgreSQL runs as one of them."""
    with tempfile.TemporaryDirectory(prefix="terroir-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


class Installation:
    """`home` holds everything; `address` is where its server listens."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.address = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TERROIR_")},
            "TERROIR_HOME": str(home),
            "TERROIR_PORT": "0",
            **environment,
        }

    def run(self, *words: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        """A command of ours, which must end with `status`."""
        done = subprocess.run(
            [TERROIR, *words], env=self.environment, cwd=self.home.parent, text=True, capture_output=True, timeout=600
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def run_json(self, *words: str | Path, status: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", status=status).stdout)

    @contextmanager
    def started(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """`serve` or `worker`, from its ready line to its clean end."""
        with subprocess.Popen(
            [TERROIR, command], env=self.environment, cwd=self.home.parent, text=True, stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None
                ready = process.stdout.readline()
                assert "ready" in ready, f"{command} said {ready!r}"
                if command == "serve":
                    self.address = ready.split()[-1]
                yield process
            finally:
                process.terminate()
                process.wait(timeout=40)

    @contextmanager
    def running(self) -> Iterator["Installation"]:
        with ExitStack() as stack:
            stack.enter_context(self.started("serve"))
            stack.enter_context(self.started("worker"))
            yield self

    def sign_in_link(self, email: str, role: Role) -> str:
        """The address that signs this person in; the account is made if need be."""
        settings = Settings(home=self.home, _env_file=None)  # type: ignore[call-arg]
        with database_url(settings) as url:
            engine = make_engine(url, pooled=False)
            with transaction(engine) as session:
                account = accounts.find(session, email) or accounts.open_account(session, email, role)
                link = Keys(settings).link_for(account)
        return f"{self.address}/sign-in/link/{link}"


@contextmanager
def few(folder: Path, items: int) -> Iterator[Installation]:
    """A server whose campaign `few` holds the demo's first items of one food, for two people each."""
    table = folder / "sf.csv"
    source = DEMO / "culturemix" / "metadata" / "sf.csv"
    table.write_text("".join(source.read_text().splitlines(keepends=True)[: items + 1]))
    with fresh_home() as home:
        found = Installation(home)
        found.run("import", table, "--images", DEMO / "culturemix", "--campaign", "few", "--policy", "fixed-2")
        with found.started("serve"):
            yield found
