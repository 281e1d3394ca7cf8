"""Things to test with: plain functions with defaults."""

import hashlib
import itertools
from typing import Any

from sqlmodel import Session, select

from app import geography
from app.accounts.models import Account, Role
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import first_visits
from app.items.models import Background, BackgroundKind, Food, Image, Item, ItemFood, Status, Subtask

_numbers = itertools.count(1)


def make_account(session: Session, role: Role = Role.ANNOTATOR, **values: Any) -> Account:
    number = next(_numbers)
    account = Account(
        **{"email": f"{role.value}{number}@example.org", "name": f"{role.value.title()} {number}", "role": role}
        | values
    )
    session.add(account)
    session.flush()
    return account


def make_campaign(session: Session, slug: str | None = None, **values: Any) -> Campaign:
    return campaigns.found(session, slug or f"campaign-{next(_numbers)}", **values)


def make_image(session: Session, content: str | None = None) -> Image:
    """A row only: the storage holds no such file."""
    sha256 = hashlib.sha256((content or f"image {next(_numbers)}").encode()).hexdigest()
    image = session.get(Image, sha256)
    if image is None:
        image = Image(sha256=sha256, format="jpeg", width=640, height=480, byte_count=1000, phash=next(_numbers))
        session.add(image)
        session.flush()
    return image


def make_food(session: Session, name: str = "Koshary", source_id: str | None = None) -> Food:
    food = session.exec(select(Food).where(Food.name == name, Food.source_id == source_id)).first()
    if food is None:
        food = Food(name=name, name_key=name.casefold(), source_id=source_id)
        session.add(food)
        session.flush()
    return food


def make_item(
    session: Session,
    campaign: Campaign,
    subtask: Subtask = Subtask.SF,
    *,
    foods: tuple[tuple[str, str], ...] = (("Koshary", "EG"), ("Pizza", "IT")),
    background: str = "JP",
    key: str | None = None,
    **values: Any,
) -> Item:
    """An item with as many foods as its subtask has, and a street as background where it has one."""
    key = key or f"{subtask.value}/{next(_numbers)}.jpg"
    first = make_food(session, foods[0][0])
    scene = None
    if subtask.has_background:
        scene = session.exec(select(Background).where(Background.key == f"street:{background}")).first()
        if scene is None:
            scene = Background(key=f"street:{background}", kind=BackgroundKind.STREET, country=background)
            session.add(scene)
    policy = campaigns.current_policy(session, campaign)
    session.flush()
    item = Item(
        **{
            "campaign_id": campaign.id,
            "key": key,
            "subtask": subtask,
            "family_id": first.id,
            "background_id": scene.id if scene else None,
            "background_as_written": background if scene else None,
            "image_sha256": make_image(session, key).sha256,
            "home": foods[0][1],
            "region": geography.continent_of(foods[0][1]),
            **first_visits(policy)._asdict(),
            "shuffle": (next(_numbers) * 0.618034) % 1,
            "status": Status.PENDING,
        }
        | values
    )
    session.add(item)
    session.flush()
    for slot, (name, country) in enumerate(foods[: subtask.foods], start=1):
        session.add(
            ItemFood(
                item_id=item.id,
                slot=slot,
                food_id=make_food(session, name).id,
                name=name,
                country_as_written=country,
                countries=[country],
            )
        )
    session.flush()
    return item
