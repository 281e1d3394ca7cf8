"""What a release says of how many of its items are wrong: the audit's estimate, never a posterior."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.accounts.models import Account
from app.db import transaction
from app.items.models import Subtask
from app.judgments.service import submit
from app.releases.publish import build_now
from tests.factories import make_account
from tests.judgments.adaptive_campaign import adaptive_campaign, on_test, policy_of, visit
from tests.judgments.answers import all_yes
from tests.releases.conftest import World


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_release_quotes_the_audit(empty_world: World, tmp_path: Path, share: float) -> None:
    with transaction(empty_world.engine) as session:
        campaign = adaptive_campaign(session, audit_share=share)
        for _ in range(4):
            make_account(session)
        for number in range(2):
            item = empty_world.item(session, campaign, Subtask.SF, (("Koshary", "EG"),), number)
            for vote in ("yes", "yes", "yes" if number else "no", "yes" if number else "no")[: 4 if share else 2]:
                visit(session, campaign, item, food1_identity=vote)
        # A judgment made to see how somebody judges is nobody's vote on the item.
        claim = on_test(session, item)
        submit(session, session.get_one(Account, claim.account_id), claim.id, all_yes())
        slug, rule = campaign.slug, policy_of(session, campaign).rule
    build_now(
        empty_world.engine, empty_world.settings, empty_world.storage, slug, "1.0.0",
        splits={"test": 1.0}, out=tmp_path / "out",
    )  # fmt: skip
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    card = (tmp_path / "out" / "README.md").read_text()
    assert manifest["rule"]["name"] == rule == "adaptive"
    assert "Rule `adaptive` with\nat most 5 judgments an item" in card
    assert manifest["counts"]["judgments"] == (2 if share else 4)
    rows = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert Counter(row["status"] for row in rows) == ({"counted": 4, "earlier": 4} if share else {"counted": 8})
    if share:
        assert (manifest["audit"]["n"], manifest["audit"]["wrong"], manifest["audit"]["pending"]) == (2, 1, 0)
        assert manifest["audit"]["share_wrong"]["value"] == 0.5
        assert manifest["policies"][0]["parameters"] == {"audit_share": 1.0}
        assert "50.0 % [9.5, 90.5], from 2 approved at random" in card
        assert "is not an error rate." in card
    else:
        assert manifest["audit"] is None
        assert "second look" not in card
