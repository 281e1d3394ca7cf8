"""Which database this installation uses: the operator's, or the embedded one."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app.db import driver_url
from app.db.embedded import embedded_postgres
from app.errors import SettingsError
from app.settings import Settings


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Raises SettingsError for an address of no PostgreSQL, without repeating it: there may be a password in it."""
    outside = settings.outside_database_url()
    if outside is not None:
        if not _is_postgres(outside):
            raise SettingsError(
                "TERROIR_DATABASE_URL names no PostgreSQL; write postgresql://user:password@host:5432/database, "
                "or unset it for the embedded one."
            )
        yield outside
        return
    with embedded_postgres(settings.home) as url:
        yield url


def _is_postgres(url: str) -> bool:
    try:
        return sa.make_url(driver_url(url)).drivername == "postgresql+psycopg"
    except (sa.exc.ArgumentError, ValueError):  # the latter for a port that is no number
        return False
