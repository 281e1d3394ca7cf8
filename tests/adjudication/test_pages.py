"""The admin's pages, as they answer."""

import re
import uuid
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.accounts.models import Account
from app.adjudication import overview
from app.campaigns import service as campaigns
from app.campaigns.models import Campaign, CampaignStatus
from app.claims import service as claims
from app.claims.models import Claim
from app.db import now
from app.items.models import Item, Status, Subtask
from app.jobs import Job, JobStatus
from app.judgments.models import Judgment
from app.judgments.service import submit
from tests.adjudication.conftest import judge
from tests.conftest import SignIn
from tests.factories import make_account, make_campaign, make_item
from tests.judgments.answers import all_yes, answer


def test_without_a_campaign_the_list_says_how_to_begin(browse: SignIn, admin: Account, researcher: Account) -> None:
    assert 'href="/campaigns/new/import"' in browse(admin).get("/campaigns").text
    assert "/import" not in browse(researcher).get("/campaigns").text


def test_the_list_shows_how_far_each_campaign_is(
    browse: SignIn, admin: Account, approved: Item, disputed: Item
) -> None:
    page = browse(admin).get("/campaigns").text
    assert "2 of 2" in page
    assert "1 approved, 0 rejected, 1 disputed, 0 pending" in page


def test_the_campaign_page_counts_what_was_judged(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, approved: Item
) -> None:
    make_item(session, campaign, Subtask.MF)
    page = browse(admin).get("/campaigns/sample").text
    assert "of 2 items" in page
    assert "3 people judge each item." in page
    assert "Egypt" in page


def test_only_the_moving_part_is_sent_to_htmx(browse: SignIn, admin: Account, approved: Item) -> None:
    reply = browse(admin).get("/campaigns/sample", headers={"hx-request": "true", "hx-request-type": "partial"})
    assert reply.text.lstrip().startswith('<div class="stack" id="progress"')
    assert "<html" not in reply.text


def test_a_campaign_is_paused_and_resumed(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, annotator: Account
) -> None:
    make_item(session, campaign)
    client = browse(admin)
    assert client.post("/campaigns/sample/status", data={"status": "paused"}).status_code == 303
    assert "is paused" in browse(annotator).get("/judge/sample").text
    client.post("/campaigns/sample/status", data={"status": "open"})
    assert "Koshary" in browse(annotator).get("/judge/sample").text
    assert client.post("/campaigns/sample/status", data={"status": "burnt"}).status_code == 422


def test_who_is_at_work_is_seen_and_the_simulated_are_marked(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, researcher: Account
) -> None:
    make_item(session, campaign)
    robot = make_account(session, name="Robin", is_simulated=True)
    claims.claim_next(session, robot, campaign, campaigns.current_policy(session, campaign), lease=600)
    page = browse(admin).get("/campaigns/sample").text
    assert 'Robin <span class="tag">simulated</span>' in page
    assert "Robin" not in browse(researcher).get("/campaigns/sample").text


def test_the_finish_is_estimated_from_the_pace(session: Session, campaign: Campaign) -> None:
    assert overview.overview(session, campaign).finish == overview.Finish(None, "There are no items yet.")
    item = make_item(session, campaign)
    for _ in range(3):
        make_item(session, campaign)
    assert overview.overview(session, campaign).finish.at is None
    judge(session, campaign, item, {}, {}, {})
    found = overview.overview(session, campaign)
    assert found.judgments == overview.Judgments(counted=3, wanted=12, remaining=9)
    assert (found.pace.last_hour, found.pace.today, found.pace.by_day[-1][1]) == (3, 3, 3)
    assert found.finish.at is not None
    assert timedelta(hours=2.9) < found.finish.at - now() < timedelta(hours=3.1)
    for claim in session.exec(select(Claim)):
        claim.ended_at = now() - timedelta(hours=5)
    session.flush()
    slower = overview.overview(session, campaign).finish.at
    assert slower is not None
    assert timedelta(days=2.9) < slower - now() < timedelta(days=3.1)
    campaign.status = CampaignStatus.PAUSED
    assert "paused" in overview.overview(session, campaign).finish.why


def test_the_grid_keeps_its_filters_in_the_address(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, approved: Item, disputed: Item
) -> None:
    client = browse(admin)
    page = client.get("/campaigns/sample/items?country=JP&name=kosh").text
    assert f"/campaigns/sample/items/{disputed.id}" in page
    assert f"/campaigns/sample/items/{approved.id}" not in page
    assert 'href="/campaigns/sample/items?status=disputed&amp;country=JP&amp;name=kosh"' in page
    assert "No item fits" in client.get("/campaigns/sample/items?name=pizza").text


@pytest.mark.parametrize("query", ["status=open", "subtask=XL", "country=Atlantis", "cursor=!", "name=" + "x" * 300])
def test_a_filter_that_cannot_be_meant_is_a_sentence(
    browse: SignIn, admin: Account, campaign: Campaign, query: str
) -> None:
    reply = browse(admin).get(f"/campaigns/sample/items?{query}")
    assert reply.status_code == 422
    assert "<h1" in reply.text


def test_the_grid_pages_through_every_item_once(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.adjudication import item_routes

    monkeypatch.setattr(item_routes, "PAGE_SIZE", 2)
    ids = [str(make_item(session, campaign, key=f"SF/{number}.jpg").id) for number in range(5)]
    client, address, seen = browse(admin), "/campaigns/sample/items", []
    while address:
        page = client.get(address).text
        seen += [id_ for id_ in ids if id_ in page]
        address = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert seen == ids


def test_the_item_page_shows_every_vote_and_where_it_comes_from(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    item, sibling = make_item(session, campaign, generator="kandinsky"), make_item(session, campaign)
    judge(session, campaign, item, {}, {"food1_identity": answer("no", "other_dish", correction="<b>Fūl</b>")})
    page = browse(admin).get(f"/campaigns/sample/items/{item.id}").text
    assert "It is another dish" in page
    assert "&lt;b&gt;Fūl&lt;/b&gt;" in page
    assert "2 of 3 judgments are in" in page
    assert "kandinsky" in page
    assert f"/campaigns/sample/items/{sibling.id}" in page


def test_earlier_answers_and_skips_are_not_lost(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, annotator: Account
) -> None:
    item = make_item(session, campaign)
    policy = campaigns.current_policy(session, campaign)
    claim = claims.claim_next(session, annotator, campaign, policy, lease=600).claims[0]
    submit(session, annotator, claim.id, all_yes(food1_identity=answer("unsure")))
    submit(session, annotator, claim.id, all_yes())
    skipper = make_account(session, name="Sam")
    skipped = claims.claim_next(session, skipper, campaign, policy, lease=600).claims[0]
    claims.give_back(session, skipper, skipped.id, reason="broken_image", skip=True)
    page = browse(admin).get(f"/campaigns/sample/items/{item.id}").text
    assert f"{annotator.name} answered differently before (1)" in page
    assert "Sam (The image is broken)" in page


def test_a_question_nobody_was_asked_is_named_so(
    session: Session, browse: SignIn, admin: Account, disputed: Item
) -> None:
    """Imported judgments may answer fewer questions than their images have."""
    whole = session.exec(select(Judgment)).all()[0]
    part = Judgment(
        **whole.model_dump(exclude={"id", "created_at", "revision", "answers"}),
        revision=whole.revision + 1,
        answers={"food1_identity": whole.answers["food1_identity"]},
    )
    session.add(part)
    session.flush()
    session.get_one(Claim, whole.claim_id).judgment_id = part.id
    session.commit()
    assert "not asked" in browse(admin).get(f"/campaigns/sample/items/{disputed.id}").text


def test_an_item_of_another_campaign_looks_absent(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    other = make_item(session, make_campaign(session, "other"))
    assert browse(admin).get(f"/campaigns/sample/items/{other.id}").status_code == 404
    assert browse(admin).get(f"/campaigns/sample/items/{uuid.uuid4()}").status_code == 404
    assert browse(admin).get("/campaigns/sample/items/not-an-id").status_code == 404


def test_settling_leads_on_to_the_next_disputed_item(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account, disputed: Item
) -> None:
    client = browse(admin)
    address = f"/campaigns/sample/items/{disputed.id}"
    assert client.get("/campaigns/sample/disputed").headers["location"] == address
    reply = client.post(f"{address}/settle", data={"outcome": "approved", "note": "It is plain to see."})
    assert reply.headers["location"].startswith("/campaigns/sample/queue?settled=")
    over = client.get(reply.headers["location"]).text
    assert "Nothing to settle" in over
    assert "Settled as approved" in over
    assert client.get("/campaigns/sample/disputed").headers["location"] == "/campaigns/sample/queue"
    page = client.get(address).text
    assert f"by {admin.name}" in page
    assert "It is plain to see." in page
    assert disputed.status is Status.APPROVED


def test_a_settlement_without_a_reason_comes_back_as_typed(
    browse: SignIn, campaign: Campaign, admin: Account, disputed: Item
) -> None:
    client, address = browse(admin), f"/campaigns/sample/items/{disputed.id}/settle"
    bare = client.post(address, data={"outcome": "rejected"})
    assert (bare.status_code, "Say why, in a sentence" in bare.text) == (422, True)
    said = {"answer.food1_identity": "yes", "answer.food1_origin": "no", "reason.food1_origin": "other_style"}
    reply = client.post(address, data={**said, "answer.background": "yes"})
    assert reply.status_code == 422
    assert re.search(r'name="answer.food1_origin" value="no" required checked', reply.text)
    assert re.search(r'value="other_style" data-digit="\d" checked', reply.text)
    assert "You overrule a majority" in reply.text


def test_a_pending_item_refuses_with_a_sentence(
    session: Session, browse: SignIn, campaign: Campaign, admin: Account
) -> None:
    item = make_item(session, campaign)
    reply = browse(admin).post(f"/campaigns/sample/items/{item.id}/settle", data={"outcome": "approved", "note": "x"})
    assert reply.status_code == 409


def make_job(session: Session, account: Account, **values: object) -> Job:
    job = Job(**{"kind": "items.import", "title": "Import x.csv", "account_id": account.id} | values)
    session.add(job)
    session.flush()
    return job


def test_a_job_is_seen_by_whoever_started_it_and_by_admins(
    session: Session, browse: SignIn, admin: Account, researcher: Account, annotator: Account
) -> None:
    job = make_job(session, researcher)
    for account, status in ((researcher, 200), (admin, 200), (annotator, 404)):
        assert browse(account).get(f"/jobs/{job.id}").status_code == status


def test_a_running_job_asks_for_itself_and_a_finished_one_rests(
    session: Session, browse: SignIn, admin: Account
) -> None:
    job = make_job(session, admin, status=JobStatus.RUNNING, started_at=now(), done=3, total=9)
    client, partial = browse(admin), {"hx-request": "true", "hx-request-type": "partial"}
    running = client.get(f"/jobs/{job.id}", headers=partial).text
    assert 'hx-trigger="every 1s"' in running
    assert "3 of 9" in running
    job.status, job.finished_at = JobStatus.FAILED, now()
    job.error = "There is no table in what was uploaded."
    session.flush()
    over = client.get(f"/jobs/{job.id}", headers=partial).text
    assert "hx-trigger" not in over
    assert "There is no table in what was uploaded." in over


def test_a_failed_import_lists_its_faulty_rows(session: Session, browse: SignIn, admin: Account) -> None:
    faults = [{"file": "sf.csv", "row": 4, "field": "food1_country", "message": "“Atlantis” is no country <here>."}]
    result = {"added": 0, "unchanged": 0, "errors": faults, "n_errors": 1, "duplicates": []}
    job = make_job(session, admin, status=JobStatus.DONE, finished_at=now(), result=result, arguments={"slug": "x"})
    page = browse(admin).get(f"/jobs/{job.id}").text
    assert "1 fault needs mending" in page
    assert "“Atlantis” is no country &lt;here&gt;." in page
    assert 'href="/campaigns/x/import"' in page
