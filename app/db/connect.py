"""Which database this installation uses: the operator's, or the embedded one."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.db.embedded import embedded_postgres
from app.settings import Settings


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    outside = settings.outside_database_url()
    if outside is not None:
        yield outside
        return
    with embedded_postgres(settings.home) as url:
        yield url
