"""Reading items for pages and the API."""

import pytest
from sqlmodel import Session

from app.accounts.models import Role
from app.errors import Invalid, NotFound
from app.items.models import Status, Subtask
from app.items.queries import get_for, grid, progress
from tests.factories import make_account, make_campaign, make_item


def test_pages_follow_each_other_without_gap_or_overlap(session: Session) -> None:
    campaign, other = make_campaign(session), make_campaign(session)
    keys = [f"SF/{letter}.jpg" for letter in "edcba"]
    for key in keys:
        make_item(session, campaign, key=key)
    make_item(session, other)
    seen: list[str] = []
    cursor = None
    while True:
        page = grid(session, campaign.id, cursor=cursor, limit=2)
        seen += [entry.item.key for entry in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(keys)


def test_a_grid_item_has_its_foods_and_background(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign, Subtask.MFB)
    (entry,) = grid(session, campaign.id).items
    assert [food.name for food in entry.foods] == ["Koshary", "Pizza"]
    assert entry.background is not None
    assert entry.background.country == "JP"


def test_filters_narrow_the_grid(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign, key="a", status=Status.APPROVED)
    make_item(session, campaign, Subtask.MF, key="b")
    make_item(session, campaign, key="c", foods=(("Pizza", "IT"),))

    def keys(**filters: str) -> list[str]:
        return [entry.item.key for entry in grid(session, campaign.id, **filters).items]  # type: ignore[arg-type]

    assert keys(status="approved") == ["a"]
    assert keys(subtask="MF") == ["b"]
    make_item(session, campaign, Subtask.SFB, key="d", background="IT")
    assert keys(country="italy") == ["b", "c", "d"]
    assert keys(name="pizz") == ["b", "c"]
    assert keys(name="%") == []
    assert keys(country="EG", status="pending") == ["b", "d"]
    assert keys(status="", subtask="", country="", name="") == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "open"), ("status", "password_hash"), ("subtask", "sf' OR 1=1"), ("country", "Atlantis"),
        ("country", "korea"), ("cursor", "!"), ("cursor", "/w"), ("cursor", "AA"), ("cursor", "\udcff"),
        ("limit", 0), ("limit", 201),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_field(session: Session, field: str, value: str | int) -> None:
    with pytest.raises(Invalid) as refused:
        grid(session, make_campaign(session).id, **{field: value})  # type: ignore[arg-type]
    assert list(refused.value.fields) == [field]


def test_only_an_admin_sees_an_item_and_to_others_it_looks_absent(session: Session) -> None:
    item = make_item(session, make_campaign(session))
    assert get_for(session, make_account(session, Role.ADMIN), item.id) is item
    for role in (Role.ANNOTATOR, Role.RESEARCHER):
        with pytest.raises(NotFound, match=r"There is no such item\."):
            get_for(session, make_account(session, role), item.id)
    with pytest.raises(NotFound, match=r"There is no such item\."):
        get_for(session, make_account(session, Role.ADMIN), item.campaign_id)


def test_progress_counts_by_subtask_and_by_the_first_foods_country(session: Session) -> None:
    campaign = make_campaign(session)
    make_item(session, campaign)
    make_item(session, campaign, status=Status.APPROVED)
    make_item(session, campaign, Subtask.MF, foods=(("Pizza", "IT"), ("Koshary", "EG")))
    make_item(session, make_campaign(session))
    report = progress(session, campaign.id)
    assert report.total == 3
    assert report.by_subtask[Subtask.SF] == {
        Status.PENDING: 1, Status.APPROVED: 1, Status.REJECTED: 0, Status.DISPUTED: 0,
    }  # fmt: skip
    assert report.by_subtask[Subtask.SFB][Status.PENDING] == 0
    assert {code: sum(counts.values()) for code, counts in report.by_country.items()} == {"EG": 2, "IT": 1}


def test_progress_of_an_empty_campaign_is_all_zeros(session: Session) -> None:
    report = progress(session, make_campaign(session).id)
    assert (report.total, report.by_country) == (0, {})
