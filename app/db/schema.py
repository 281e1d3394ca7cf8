"""Is the database's schema the one this code was written for? Alembic knows; here it is asked."""

from functools import lru_cache

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.errors import SettingsError
from app.settings import ROOT


class SchemaMismatch(SettingsError):
    pass


def alembic_config(url: str | None = None) -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    if url is not None:
        config.attributes["url"] = url
    return config


@lru_cache
def head_revision() -> str:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


def migrate(url: str) -> None:
    """Brings the database to this version's schema; a second process waits for the first."""
    command.upgrade(alembic_config(url), "head")


def require_current_schema(engine: sa.Engine) -> None:
    """Raises SchemaMismatch, naming the command to run, unless code and database fit."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == head_revision():
        return
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if current is None:
        raise SchemaMismatch("The database has no tables yet; run `terroir migrate` and start again.")
    if current in known:
        raise SchemaMismatch(
            f"The database's schema ({current}) is older than this version of Terroir ({head_revision()}); "
            "run `terroir migrate` and start again."
        )
    raise SchemaMismatch(
        f"The database's schema ({current}) is newer than this version of Terroir ({head_revision()}); "
        "install the newer Terroir, then run `terroir migrate`."
    )
