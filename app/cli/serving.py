"""`terroir serve`, `worker`, `migrate` and `demo`."""

import enum
import logging
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from typing import Annotated

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

import app.evaluation.jobs
import app.generation.jobs
import app.gold.screening
import app.items.jobs
import app.judgments.jobs
import app.judgments.policy_change
import app.judgments.priorities
import app.judgments.steering
import app.releases.jobs  # noqa: F401  (all register what the worker can do)
from app.cli import demo
from app.cli.common import JsonFlag, complain, installation, say, say_json
from app.db.connect import database_url
from app.db.embedded import sole_server
from app.db.schema import head_revision, migrate
from app.errors import SettingsError
from app.jobs import QUEUES, run_worker
from app.settings import Settings, get_settings

READY_SECONDS = 60


class Queue(enum.StrEnum):
    DEFAULT = "default"
    EVALUATION = "evaluation"
    GPU = "gpu"
    MAINTENANCE = "maintenance"


def register(cli: typer.Typer) -> None:
    cli.command("serve")(serve)
    cli.command("worker")(worker)
    cli.command("migrate")(migrate_command)
    cli.command("demo")(demo.run)


def serve() -> None:
    """Run the web server until it is told to stop."""
    # As Ctrl-C: uvicorn raises the signal again once it has shut down, and the database must be stopped, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = get_settings()
    settings.resolved_secret_key()  # an unsafe key is refused before anything starts
    with ExitStack() as stack:
        announce = stack.enter_context(sole_server(settings.home))
        stack.enter_context(installation())
        listening = _listen(settings)
        address = _address(listening)
        announce(address)
        config = uvicorn.Config(
            "app.main:create_app",
            factory=True,
            workers=settings.workers,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        threading.Thread(target=_say_when_ready, args=(settings, address), daemon=True).start()
        server = uvicorn.Server(config)
        if settings.workers > 1:
            Multiprocess(config, sockets=[listening]).run()
        else:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
        if settings.workers == 1 and not server.started:
            raise SettingsError("The server could not start; the lines above say why.")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"Can't listen on {settings.host} port {settings.port} ({error.strerror}); "
            "set TERROIR_PORT or TERROIR_HOST to a free one."
        ) from error
    listening.set_inheritable(True)
    return listening


def _address(listening: socket.socket) -> str:
    """Where this machine's own programs reach it."""
    host, port = listening.getsockname()[:2]
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say_when_ready(settings: Settings, address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5):  # noqa: S310
                say(f"Terroir is ready at {settings.public_url or address}")
                return
        except urllib.error.HTTPError as error:
            complain(f"terroir: /healthz answers {error.code}")
            return
        except OSError:
            time.sleep(0.05)


def worker(
    queue: Annotated[
        list[Queue] | None,
        typer.Option(help="Only this queue; may be given again. gpu loads weights, evaluation asks servers."),
    ] = None,
) -> None:
    """Run the job worker until it is told to stop; a running job is finished first, an evaluation goes on later."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # a listener closed at the end is no news
    with installation() as (settings, engine):
        url = engine.url.render_as_string(hide_password=False)
        run_worker(engine, settings, url, ready=lambda: say("The worker is ready."), queues=queue or list(QUEUES))


def migrate_command(json: JsonFlag = False) -> None:
    """Bring the database to this version's schema."""
    with database_url(get_settings()) as url:
        migrate(url)
    if json:
        say_json({"schema": head_revision()})
    else:
        say(f"The database is at schema {head_revision()}.")
