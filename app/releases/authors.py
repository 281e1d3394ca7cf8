"""ATTRIBUTION.csv: the photographs that images of a release were made from, with their authors and licences."""

import csv
import io
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.cells import harmless
from app.releases.snapshot import Planned

PATH: Final = "ATTRIBUTION.csv"
_USED: Final = sa.text(
    """
    SELECT photo.image_sha256 AS sha256, photo.name, photo.country, photo.licence, photo.attribution, photo.source,
           count(DISTINCT used.item_id) AS n_items
    FROM item_reference AS used JOIN photo ON photo.image_sha256 = used.image_sha256
    WHERE used.item_id = ANY(:items)
    GROUP BY photo.id ORDER BY photo.name, photo.image_sha256, photo.key
    """
)


def attribution(session: Session, planned: Sequence[Planned]) -> bytes | None:
    """One row a photograph, `n_items` of the release were made from it; None where none was."""
    found = session.execute(_USED, {"items": [item.item_id for item in planned]}).all()
    if not found:
        return None
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("sha256", "name", "country", "licence", "attribution", "source", "n_items"))
    table.writerows([harmless(str(cell)) for cell in row] for row in found)
    return text.getvalue().encode()
