"""Tables and charts as files over HTTP: table.csv, table.tex, chart.svg, chart.png."""

from collections.abc import Callable, Mapping, Sequence

from starlette.responses import Response

from app.errors import NotFound
from app.web.figures.svg import Chart, as_png, as_svg
from app.web.figures.tables import Table, as_csv, as_latex

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "tex": "application/x-tex; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
# A chart opened by itself is a document of our site: it may run nothing and fetch nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def figure_file(
    name: str,
    tables: Mapping[str, Callable[[], Table]],
    charts: Mapping[str, Callable[[], Chart]],
    specs: str | Mapping[str, Sequence[str]],
    prefix: str,
    stamp: str = "spec_sha256",
) -> Response:
    """`name` is the table's or chart's with the ending that says what it is to be. `specs` is the hash of
    the one spec all came of, or for each table those of its rows; `stamp` is the name it goes by. Raises NotFound."""
    stem, _, ending = name.rpartition(".")
    if ending in ("csv", "tex") and stem in tables:
        table = tables[stem]()
        write = as_csv if ending == "csv" else as_latex
        content: str | bytes = write(table, specs if isinstance(specs, str) else specs[stem], stamp)
    elif ending in ("svg", "png") and stem in charts:
        every = specs if isinstance(specs, str) else " ".join(dict.fromkeys(" ".join(specs[stem]).split()))
        content = (as_svg if ending == "svg" else as_png)(charts[stem](), every, stamp)
    else:
        raise NotFound(f"There is no file “{name[:60]}” here; the page says which there are.")
    return Response(
        content,
        media_type=_TYPES[ending],
        headers={
            "content-disposition": f'attachment; filename="{prefix}-{stem}.{ending}"',
            "content-security-policy": _POLICY,
        },
    )
