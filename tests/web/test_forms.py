"""A body that arrives slowly keeps nobody else waiting."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.accounts.models import Role
from app.db import transaction
from app.main import create_app
from app.settings import Settings
from tests.conftest import open_browser
from tests.factories import make_account, make_campaign

FORM = "application/x-www-form-urlencoded"
UPLOAD = "multipart/form-data; boundary=x"
FILE = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\nimage_path\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("role", "address", "media_type", "body"),
    [
        (Role.ADMIN, "/campaigns/slow/import", UPLOAD, FILE),
        (Role.ADMIN, "/campaigns/slow/status", FORM, b"status=paused"),
        (Role.ANNOTATOR, "/judge/slow", FORM, b"claim_id=none"),
        (Role.ANNOTATOR, "/api/v1/campaigns/slow/claims", "application/json", b'{"count": 1}'),
    ],
)
def test_no_database_connection_is_held_while_a_body_arrives(
    fresh_engine: sa.Engine, settings: Settings, role: Role, address: str, media_type: str, body: bytes
) -> None:
    with transaction(fresh_engine) as session:
        account = make_account(session, role)
        make_campaign(session, "slow")
    held: list[int] = []

    def arriving() -> Iterator[bytes]:
        for letter in (body[:10], body[10:]):
            held.append(fresh_engine.pool.checkedout())  # type: ignore[attr-defined]
            yield letter
        held.append(fresh_engine.pool.checkedout())  # type: ignore[attr-defined]

    client = open_browser(create_app(settings, fresh_engine), account)
    reply = client.post(address, content=arriving(), headers={"content-type": media_type})
    assert reply.status_code < 500
    assert held == [0, 0, 0]
