"""The `terroir` command. Errors a person can mend are one sentence on stderr and exit status 1."""

import sys
import traceback
from datetime import UTC, datetime

import typer
from dotenv import load_dotenv
from sqlalchemy.exc import OperationalError

from app.cli import data as data_room
from app.cli import evaluate, models, people, results, revisions, runs, serving
from app.errors import TerroirError
from app.settings import get_settings

cli = typer.Typer(
    name="terroir",
    help="Human verification and evaluation for culture-mixing image benchmarks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for room in (serving, people, data_room, results, evaluate, models, runs, revisions):
    room.register(cli)


def main() -> None:
    try:
        load_dotenv(".env")  # models' keys, AWS_* and RAY_ADDRESS are read from the environment by others than us
        cli()
    except TerroirError as error:
        _fail(error.message)
    except OperationalError as error:
        reason = str(error.orig).partition("\n")[0]
        _fail(f"The database does not answer ({reason}); start it, or mend TERROIR_DATABASE_URL.")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        _fail(f"{type(error).__name__}: {error}. This is a fault of ours; the details are in {_keep(error)}.")


def _fail(sentence: str) -> None:
    print(f"terroir: {sentence}", file=sys.stderr)  # noqa: T201
    sys.exit(1)


def _keep(error: Exception) -> str:
    folder = get_settings().home / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.txt"
    path.write_text("".join(traceback.format_exception(error)))
    return str(path)
