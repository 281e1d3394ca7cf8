"""A campaign with approved items, their stored images and their judgments, in a database of its own."""

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from PIL import Image as Picture
from sqlmodel import Session

from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.db import transaction
from app.items.models import Image, Item, Status, Subtask
from app.items.pictures import original_key
from app.judgments.models import Decision, Judgment, Method
from app.judgments.service import question_keys
from app.settings import Settings
from app.storage import Storage, storage_for
from tests.factories import make_account, make_campaign, make_item

# Before anything imports `datasets`: it must neither look at the network nor at whoever runs the tests.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
DISHES = (("Koshary", "EG"), ("Pizza", "IT"), ("Ceviche", "PE"), ("Pho", "VN"), ("Jollof rice", "NG"))


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return storage_for(settings)


def jpeg(number: int) -> bytes:
    out = io.BytesIO()
    Picture.new("RGB", (48, 32), (number * 37 % 256, number * 91 % 256, number * 53 % 256)).save(out, "JPEG")
    return out.getvalue()


def store_image(session: Session, storage: Storage, data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    storage.put(original_key(sha256, "jpeg"), data, media_type="image/jpeg")
    if session.get(Image, sha256) is None:
        session.add(Image(sha256=sha256, format="jpeg", width=48, height=32, byte_count=len(data), phash=0))
        session.flush()
    return sha256


def judge(session: Session, item: Item, account: Account, slot: int | None, answer: str = "yes") -> Judgment:
    """One annotator's judgment; without a slot it is surplus."""
    policy = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    at = START + timedelta(minutes=slot or 9)
    claim = Claim(
        item_id=item.id, account_id=account.id, campaign_id=item.campaign_id, policy_id=policy.id, slot=slot,
        leased_at=at, expires_at=at, state=ClaimState.RELEASED, ended_at=at,
    )  # fmt: skip
    session.add(claim)
    session.flush()
    answers: dict[str, Any] = {
        key: {"answer": answer, "reasons": ["other_dish"] if answer == "no" else [], "correction": None}
        for key in question_keys(item.subtask)
    }
    judgment = Judgment(
        claim_id=claim.id, item_id=item.id, account_id=account.id, policy_id=policy.id, answers=answers,
        active_ms=4000, body_sha256="0" * 64, created_at=at,
    )  # fmt: skip
    session.add(judgment)
    session.flush()
    claim.judgment_id, claim.state = judgment.id, ClaimState.JUDGED
    session.flush()
    return judgment


def decide(session: Session, item: Item, outcome: Status = Status.APPROVED, method: Method = Method.RULE) -> Decision:
    policy = campaigns.current_policy(session, session.get_one(Campaign, item.campaign_id))
    decision = Decision(
        item_id=item.id, policy_id=policy.id, outcome=outcome, method=method, rule="fixed-majority/1",
        created_at=START + timedelta(hours=1),
    )  # fmt: skip
    session.add(decision)
    item.status = outcome
    session.flush()
    return decision


class World:
    """A campaign `tasting`: `dishes` families of one item of each subtask, three judgments on each; one rejected."""

    def __init__(self, engine: sa.Engine, settings: Settings, storage: Storage) -> None:
        self.engine, self.settings, self.storage = engine, settings, storage
        self.slug = "tasting"
        self.annotators: list[uuid.UUID] = []

    def fill(self, dishes: int = 3, *, simulated: bool = False) -> "World":
        with transaction(self.engine) as session:
            campaign = make_campaign(session, self.slug)
            people = [make_account(session, Role.ANNOTATOR, is_simulated=simulated and n == 0) for n in range(4)]
            self.annotators = [person.id for person in people]
            for number, dish in enumerate(DISHES[:dishes]):
                second = DISHES[(number + 1) % len(DISHES)]
                for place, subtask in enumerate(Subtask):
                    self.add(session, campaign, people, subtask, (dish, second), number * 4 + place)
            rejected = self.item(session, campaign, Subtask.SF, (DISHES[0],), 99)
            for slot, person in enumerate(people[:3], start=1):
                judge(session, rejected, person, slot, "no")
            decide(session, rejected, Status.REJECTED)
            self.item(session, campaign, Subtask.SF, (DISHES[1],), 98)
        return self

    def item(
        self, session: Session, campaign: Campaign, subtask: Subtask, foods: tuple[tuple[str, str], ...], number: int
    ) -> Item:
        sha256 = store_image(session, self.storage, jpeg(number))
        key = f"{subtask.value}/{number:03}.jpg"
        return make_item(session, campaign, subtask, foods=foods, key=key, image_sha256=sha256)

    def add(
        self,
        session: Session,
        campaign: Campaign,
        people: list[Account],
        subtask: Subtask,
        foods: tuple[tuple[str, str], ...],
        number: int,
    ) -> Item:
        """An approved item: two said yes, one no where the number is odd, and the fourth came too late."""
        item = self.item(session, campaign, subtask, foods, number)
        for slot, person in enumerate(people[:3], start=1):
            judge(session, item, person, slot, "no" if slot == 3 and number % 2 else "yes")
        judge(session, item, people[3], None)
        decide(session, item)
        return item


class Original(NamedTuple):
    """A filled database and the files that go with it, to be copied; nobody connects to it."""

    database: str
    home: Path
    annotators: list[uuid.UUID]

    def world(self, engine: sa.Engine, settings: Settings) -> World:
        """`engine` works in a copy of the database; the files are copied to where `settings` say."""
        shutil.copytree(self.home, settings.home, dirs_exist_ok=True)
        world = World(engine, settings, storage_for(settings))
        world.annotators = list(self.annotators)
        return world


@pytest.fixture
def fresh_template(request: pytest.FixtureRequest, template_name: str, filled: Original) -> str:
    return filled.database if "world" in request.fixturenames else template_name


@pytest.fixture
def empty_world(fresh_engine: sa.Engine, settings: Settings, storage: Storage) -> World:
    return World(fresh_engine, settings, storage)


@pytest.fixture
def world(filled: Original, fresh_engine: sa.Engine, settings: Settings) -> World:
    return filled.world(fresh_engine, settings)


@pytest.fixture
def files_of() -> Callable[[Any], dict[str, bytes]]:
    """Every file of a folder by its path."""

    def read(folder: Any) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read
