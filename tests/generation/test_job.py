"""The worker's job on a real database of its own: interrupted, tried again, and never twice."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import jobs
from app.cli import main
from app.generation import service
from app.generation.models import RequestState, RevisionRequest
from app.items.models import Item
from app.jobs import Interrupted, Job, JobStatus
from app.settings import Settings, get_settings
from app.storage import storage_for
from tests.factories import make_campaign, make_item
from tests.generation.things import composed, refuse, request_of
from tests.locks import wait_for_lock


def test_a_job_that_was_interrupted_goes_on_and_answers_once(fresh_engine: sa.Engine, settings: Settings) -> None:
    storage = storage_for(settings)
    with Session(fresh_engine) as session:
        campaign = make_campaign(session, "tasting")
        ids = []
        for key in ("1.jpg", "2.jpg", "3.jpg"):
            item = composed(session, storage, campaign, key=key)
            refuse(session, item, food1_identity="not_there")
            ids.append(request_of(session, item).id)
        job_id = service.serve(session, None, campaign, ids).id
        session.commit()
    looks = iter([False, True])
    with pytest.raises(Interrupted):
        jobs.run_job(fresh_engine, settings, job_id, is_stopping=lambda: next(looks))
    with Session(fresh_engine) as session:
        states = list(session.exec(select(RevisionRequest.state).order_by(col(RevisionRequest.state))))
        assert states == [RequestState.ANSWERED, RequestState.WORKING, RequestState.WORKING]
        (first,) = session.exec(select(Item.image_sha256).where(col(Item.revision_of_id).is_not(None))).all()
    jobs.run_job(fresh_engine, settings, job_id)
    with Session(fresh_engine) as session:
        job = session.get_one(Job, job_id)
        assert (job.status, job.result, job.done) == (JobStatus.DONE, {"made": 3, "not_made": 0}, 3)
        made = session.exec(select(Item).where(col(Item.revision_of_id).is_not(None))).all()
        assert sorted(item.key for item in made) == ["1.r2.jpg", "2.r2.jpg", "3.r2.jpg"]
        assert first in {item.image_sha256 for item in made}


@pytest.fixture
def terroir(
    fresh_url: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., str]]:
    """What `terroir revisions` prints about the campaign "tasting"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERROIR_HOME", str(settings.home))
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    get_settings.cache_clear()

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["terroir", "revisions", "--campaign", "tasting", *words])
        with suppress(SystemExit):
            main()
        return capsys.readouterr().out

    yield run
    get_settings.cache_clear()


def test_the_command_exports_and_serves_what_is_open(
    fresh_engine: sa.Engine, settings: Settings, terroir: Callable[..., str], tmp_path: Path
) -> None:
    storage = storage_for(settings)
    with Session(fresh_engine) as session:
        refuse(session, composed(session, storage, make_campaign(session, "tasting")), food1_identity="not_there")
        session.commit()
    said = json.loads(terroir("--export", "open.jsonl", "--serve", "composite", "--json"))
    assert (said["open"], said["working"], said["exported"]) == (0, 1, 1)
    assert "0 open, 1 working" in terroir("--serve", "composite")  # none is left to serve
    (line,) = (tmp_path / "open.jsonl").read_text().splitlines()
    assert json.loads(line)["wrong"][0]["code"] == "not_there"
    jobs.run_job(fresh_engine, settings, uuid.UUID(said["job"]))
    with Session(fresh_engine) as session:
        assert session.exec(select(RevisionRequest.state)).one() is RequestState.ANSWERED


def test_requests_that_cannot_be_made_keep_no_other_waiting(
    fresh_engine: sa.Engine, settings: Settings, terroir: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_AT_ONCE", 2)
    storage = storage_for(settings)
    with Session(fresh_engine) as session:
        campaign = make_campaign(session, "tasting")
        for key in "abcde":  # the oldest three have no photograph
            if key < "d":
                item = make_item(session, campaign, key=key, foods=(("Ramen", "JP"),))
            else:
                item = composed(session, storage, campaign, key=key)
            refuse(session, item, food1_identity="not_there").opened_at = datetime(2026, 1, ord(key) - 96, tzinfo=UTC)
        session.commit()

    def serve(said: str) -> list[str]:
        """Serves and lets the job run; the keys of what it took."""
        printed = terroir("--serve", "composite")
        assert said in printed
        with Session(fresh_engine) as session:
            job_id = session.exec(select(Job.id).order_by(col(Job.created_at).desc())).first()
            assert job_id is not None
            query = select(Item.key).join(RevisionRequest, col(RevisionRequest.item_id) == Item.id)
            taken = session.exec(query.where(RevisionRequest.job_id == job_id).order_by(Item.key)).all()
        jobs.run_job(fresh_engine, settings, job_id)
        return list(taken)

    assert serve("The worker makes 2; 3 are left; run this again when it has.") == ["a", "b"]
    assert serve("2; 3 are left, of which 2 could not be made before; run this again when it has.") == ["c", "d"]
    assert serve("2; 2 are left, which could not be made before: the campaign's page") == ["a", "e"]
    assert serve("2; 1 is left, which could not be made before: ") == ["b", "c"]  # whoever's last try is longest ago


def test_an_image_that_is_accepted_meanwhile_is_not_made_again(fresh_engine: sa.Engine, settings: Settings) -> None:
    storage = storage_for(settings)
    with Session(fresh_engine) as session:
        campaign = make_campaign(session, "tasting")
        item = composed(session, storage, campaign)
        request = refuse(session, item, food1_identity="not_there")
        job_id = service.serve(session, None, campaign, [request.id]).id
        session.commit()
        item_id = item.id
    with ThreadPoolExecutor(1) as threads, Session(fresh_engine) as session:
        session.execute(sa.text("UPDATE item SET status = 'approved' WHERE id = :item"), {"item": item_id})
        made = threads.submit(jobs.run_job, fresh_engine, settings, job_id)
        wait_for_lock(fresh_engine)
        session.commit()
        made.result()
    with Session(fresh_engine) as session:
        assert session.exec(select(RevisionRequest.state)).one() is RequestState.WITHDRAWN
        assert session.exec(select(Item).where(Item.revision_of_id == item_id)).all() == []
