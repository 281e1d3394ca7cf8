"""A campaign of real people's judgments, to look at the agreement pages with: `python -m bench.real_campaign`.

5,021 judgments by 46 reviewers of World Wide Dishes (tests/agreement/data, CC BY 4.0) on 2,470 generated images, in the
installation TERROIR_HOME names. The images are not at hand, so a grey square stands for each; the question "is this
the dish?" is `food1_identity`. Reviewers know the country they are named after. When they judged is not known.
"""

import csv
import io
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from PIL import Image as Picture
from sqlmodel import Session, SQLModel

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app import geography
from app.accounts.models import Account, KnownCountry, Role
from app.agreement.rules import decide
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.claims.models import Claim, ClaimState
from app.cli.common import installation
from app.db import now, transaction
from app.items.models import Food, Item, ItemFood, Subtask
from app.items.pictures import store
from app.judgments.models import Decision, Judgment, Method
from app.settings import ROOT
from app.storage import storage_for

REVIEWS = ROOT / "tests" / "agreement" / "data" / "wwd_reviews.csv"
SLUG = "world-wide-dishes"
QUESTION = "food1_identity"


def fill(session: Session, file: Path = REVIEWS, *, image_sha256: str) -> Campaign:
    """The campaign with its people, dishes, items, judgments and decisions. The image must be there."""
    campaign = campaigns.found(session, SLUG, policy="fixed-2")
    campaign.name = "World Wide Dishes reviews"
    policy = campaigns.current_policy(session, campaign).id
    reviews: dict[str, list[dict[str, str]]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            reviews[row["item"]].append(row)
    people = {row["rater"]: uuid.uuid4() for found in reviews.values() for row in found}
    dishes = {key.partition("|")[0]: uuid.uuid4() for key in reviews}
    rows: dict[type[SQLModel], list[dict[str, Any]]] = {
        table: [] for table in (Account, KnownCountry, Food, Item, ItemFood, Claim, Judgment, Decision)
    }
    for name, account_id in people.items():
        email = f"{name.lower().replace(' ', '-')}@reviewers.invalid"
        rows[Account].append({"id": account_id, "email": email, "name": name, "role": Role.ANNOTATOR})
        home = geography.resolve(name.rpartition("-")[0])
        rows[KnownCountry].append({"account_id": account_id, "country": home, "is_tested": False})
    for dish, food_id in dishes.items():
        rows[Food].append({"id": food_id, "name": dish, "name_key": dish.casefold(), "source_id": f"wwd:{dish}"})
    for place, (key, found) in enumerate(reviews.items()):
        item_id, dish = uuid.uuid4(), key.partition("|")[0]
        answers = [row["value"].lower() for row in found]
        verdict = decide({QUESTION: answers}, needed=len(found))
        common = {"item_id": item_id, "policy_id": policy}
        country = geography.resolve(found[0]["country"])
        rows[Item].append(
            {
                "id": item_id, "campaign_id": campaign.id, "key": key, "subtask": Subtask.SF,
                "family_id": dishes[dish], "image_sha256": image_sha256, "generator": found[0]["generator"],
                "shuffle": (place * 0.618034) % 1, "status": verdict.outcome, "wanted": len(found),
                "held": len(found), "judged": len(found), "decided_at": now(),
                "home": country, "region": geography.continent_of(country),
            }
        )  # fmt: skip
        rows[ItemFood].append(
            {
                "item_id": item_id, "slot": 1, "food_id": dishes[dish], "name": dish,
                "country_as_written": found[0]["country"], "countries": [country],
            }
        )  # fmt: skip
        rows[Decision].append(
            common
            | {"outcome": verdict.outcome, "method": Method.RULE, "rule": verdict.rule, "detail": verdict.as_json()}
        )
        for slot, (row, answer) in enumerate(zip(found, answers, strict=True), start=1):
            claim_id, judgment_id = uuid.uuid4(), uuid.uuid4()
            rows[Claim].append(
                common
                | {
                    "id": claim_id, "account_id": people[row["rater"]], "campaign_id": campaign.id, "slot": slot,
                    "state": ClaimState.JUDGED, "judgment_id": judgment_id, "leased_at": now(), "expires_at": now(),
                    "ended_at": now(),
                }
            )  # fmt: skip
            rows[Judgment].append(
                common
                | {
                    "id": judgment_id, "claim_id": claim_id, "account_id": people[row["rater"]],
                    "answers": {QUESTION: {"answer": answer, "reasons": [], "correction": None}},
                    "body_sha256": "0" * 64,
                }
            )  # fmt: skip
    for table, values in rows.items():
        session.execute(sa.insert(table), values)
    return campaign


def main() -> None:
    square = io.BytesIO()
    Picture.new("RGB", (640, 640), (128, 124, 118)).save(square, "PNG")
    with installation() as (settings, engine), transaction(engine) as session:
        if session.execute(sa.text("SELECT 1 FROM campaign WHERE slug = :slug"), {"slug": SLUG}).first():
            print(f"{SLUG} is there already.")
            return
        image = store(session, storage_for(settings), square.getvalue(), "square.png")
        fill(session, image_sha256=image.sha256)
        print(f"Campaign {SLUG} is there.")


if __name__ == "__main__":
    main()
