"""`terroir demo`: the whole product with real images, on the embedded database, until Ctrl-C."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from sqlmodel import Session, select

from app.accounts import service as accounts
from app.accounts.access import Keys
from app.accounts.models import Account, Role
from app.campaigns.models import Campaign
from app.cli import demo_evaluation
from app.cli.common import installation, progress_bar, say
from app.db import transaction
from app.errors import SettingsError
from app.items.importing import import_items
from app.items.knowledge import import_knowledge
from app.releases.models import Release
from app.settings import ROOT, Settings
from app.storage import storage_for

SLUG = "culturemix-demo"
PEOPLE = (
    ("annotator@demo.example", "Ana Annotator", Role.ANNOTATOR),
    ("admin@demo.example", "Ada Admin", Role.ADMIN),
    ("researcher@demo.example", "Remy Researcher", Role.RESEARCHER),
)


def run(
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Also run the classifier here and now; needs the extra gpu.")
    ] = False,
) -> None:
    """Start server and worker with the demo campaign, and print a sign-in link per role. Ctrl-C stops all of it."""
    with installation() as (settings, engine):
        say(f"Data: {settings.home}")
        with transaction(engine) as session:
            is_new = session.exec(select(Campaign).where(Campaign.slug == SLUG)).first() is None
            has_release = session.exec(select(Release).where(Release.version == demo_evaluation.VERSION)).first()
        if is_new:
            _load(engine, settings)
        if has_release is None:
            demo_evaluation.load(engine, settings)
        if evaluate:
            demo_evaluation.run_live(engine, settings)
        with transaction(engine) as session:
            links = [(person, Keys(settings).link_for(person)) for person in _people(session)]
        _serve_until_stopped(links)


def _load(engine: sa.Engine, settings: Settings) -> None:
    storage = storage_for(settings)
    with progress_bar("Reference photographs") as advance, transaction(engine) as session:
        import_knowledge(session, storage, [ROOT / "demo" / "reference"], progress=advance)
    with progress_bar("Demo images") as advance, transaction(engine) as session:
        report = import_items(session, storage, [ROOT / "demo" / "culturemix"], SLUG, progress=advance)
    say(f"{report.added} real CultureMix images are loaded.")


def _people(session: Session) -> list[Account]:
    return [
        accounts.find(session, email) or accounts.open_account(session, email, role, name=name)
        for email, name, role in PEOPLE
    ]


def _serve_until_stopped(links: Sequence[tuple[Account, str]]) -> None:
    """Server and worker as processes of their own. A signal to us or to the terminal's group ends both."""
    command = Path(sys.executable).parent / "terroir"
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = subprocess.Popen([command, "serve"], stdout=subprocess.PIPE, text=True)  # noqa: S603
    worker = subprocess.Popen([command, "worker"], stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        assert server.stdout is not None
        ready = server.stdout.readline().strip()
        if not ready:
            raise SettingsError("The server did not start; the line above says why.")
        address = ready.rsplit(" ", 1)[-1]
        say(ready)
        for account, link in links:
            say(f"  {account.role.value + ':':12}{address}/sign-in/link/{link}")
        say("Ctrl-C stops everything; your data stays.")
        while not stop.wait(0.5):
            if server.poll() is not None or worker.poll() is not None:
                raise SettingsError("The server or the worker has ended; the lines above say why.")
    finally:
        for process in (server, worker):
            if process.poll() is None:
                process.terminate()
        for process in (server, worker):
            process.wait(timeout=40)
