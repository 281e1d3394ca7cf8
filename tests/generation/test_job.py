"""The worker's job on a real database of its own: interrupted, tried again, and never twice."""

import json
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
from tests.factories import make_campaign
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


def test_the_command_exports_and_serves_what_is_open(
    fresh_engine: sa.Engine,
    fresh_url: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage = storage_for(settings)
    with Session(fresh_engine) as session:
        refuse(session, composed(session, storage, make_campaign(session, "tasting")), food1_identity="not_there")
        session.commit()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERROIR_HOME", str(settings.home))
    monkeypatch.setenv("TERROIR_DATABASE_URL", fresh_url)
    get_settings.cache_clear()
    words = ["--campaign", "tasting", "--export", "open.jsonl", "--serve", "composite", "--json"]
    monkeypatch.setattr(sys, "argv", ["terroir", "revisions", *words])
    with suppress(SystemExit):
        main()
    get_settings.cache_clear()
    said = json.loads(capsys.readouterr().out)
    assert (said["open"], said["working"], said["exported"]) == (0, 1, 1)
    (line,) = (tmp_path / "open.jsonl").read_text().splitlines()
    assert json.loads(line)["wrong"][0]["code"] == "not_there"
    jobs.run_job(fresh_engine, settings, uuid.UUID(said["job"]))
    with Session(fresh_engine) as session:
        assert session.exec(select(RevisionRequest.state)).one() is RequestState.ANSWERED


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
