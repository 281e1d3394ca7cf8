"""The worker's part: an engine makes the images that were asked for, one request after the other."""

import hashlib
import tempfile
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

from sqlmodel import Session, col, select

from app.campaigns import service as campaigns
from app.campaigns.models import Campaign
from app.campaigns.parameters import first_visits
from app.db import now, transaction
from app.generation.engines import CannotMake, Made, engine_named
from app.generation.models import RequestState, RevisionRequest
from app.generation.service import KIND, wants_image
from app.generation.sources import task_for
from app.items import pictures
from app.items.models import CandidateSet, Hold, Item, ItemFood, ItemReference, Status
from app.items.writing import shuffle_of
from app.jobs import Interrupted, JobContext, handles
from app.storage import Storage, storage_for


@handles(KIND)
def run(context: JobContext) -> dict[str, Any]:
    """{"made": images, "not_made": requests}. What a killed worker had answered already is left as it is."""
    storage = storage_for(context.settings)
    ids = [uuid.UUID(id_) for id_ in context.job.arguments["requests"]]
    for done, request_id in enumerate(ids):
        if context.is_stopping():
            raise Interrupted
        with transaction(context.engine) as session:
            _answer(session, storage, request_id, context.job.id)
        context.progress(done + 1, len(ids))
    with transaction(context.engine) as session:
        found = session.exec(select(RevisionRequest).where(col(RevisionRequest.id).in_(ids))).all()
        answers = [request.detail.get("made", []) for request in found if request.state is RequestState.ANSWERED]
    return {"made": sum(map(len, answers)), "not_made": len(ids) - len(answers)}


def _answer(session: Session, storage: Storage, request_id: uuid.UUID, job_id: uuid.UUID) -> None:
    """In one transaction, with the request locked: an answer is there in whole and once, or not at all."""
    request = session.exec(select(RevisionRequest).where(RevisionRequest.id == request_id).with_for_update()).one()
    if request.state is not RequestState.WORKING or request.job_id != job_id:
        return
    item = session.get_one(Item, request.item_id)
    if _is_over(session, request, item):
        return
    engine = engine_named(str(request.engine))
    seeds = [_seed(request, place) for place in range(int(request.detail.get("seeds", 1)))]
    try:
        with tempfile.TemporaryDirectory(prefix="terroir-revision-") as folder:
            task = task_for(session, storage, item, Path(folder))
            made = [engine.make(task, seed) for seed in seeds]
    except CannotMake as error:
        request.state, request.error = RequestState.OPEN, error.message
        return
    session.refresh(item, with_for_update={"key_share": True})  # it may have been decided otherwise meanwhile
    if _is_over(session, request, item):
        return
    new = _write(session, storage, item, made, seeds, engine.name)
    request.state, request.closed_at, request.error = RequestState.ANSWERED, now(), None
    request.answer_id = new[0].id
    request.detail = request.detail | {
        "changes": list(made[0].changes),
        "made": [{"item": one.key, "used": dict(image.used), **image.parameters}
                 for one, image in zip(new, made, strict=True)],
    }  # fmt: skip


def _is_over(session: Session, request: RevisionRequest, item: Item) -> bool:
    """Whether nobody waits for the image any more: then the request is closed."""
    later = session.exec(select(Item.id).where(Item.revision_of_id == item.id)).first()
    if wants_image(item) and later is None:
        return False
    request.state, request.closed_at = RequestState.WITHDRAWN, now()
    if later is not None:
        request.state, request.answer_id, request.engine = RequestState.ANSWERED, later, "import"
    return True


def _seed(request: RevisionRequest, place: int) -> str:
    """Of the request's own, so that making it a second time makes the same."""
    return str(int.from_bytes(hashlib.sha256(f"{request.id} {place}".encode()).digest()[:4], "big"))


def _write(
    session: Session, storage: Storage, item: Item, made: list[Made], seeds: list[str], generator: str
) -> list[Item]:
    """The revisions of an item: the same claim, nobody's votes. Several are candidates of one another."""
    campaign = session.get_one(Campaign, item.campaign_id)
    visits = first_visits(campaigns.current_policy(session, campaign))
    foods = session.exec(select(ItemFood).where(ItemFood.item_id == item.id)).all()
    candidates = None
    if len(made) > 1:
        candidates = CandidateSet(campaign_id=campaign.id, key=_free_key(session, item, len(made), ""))
        session.add(candidates)
        session.flush()
    new = []
    for place, (image, seed) in enumerate(zip(made, seeds, strict=True)):
        key = _free_key(session, item, len(made), image.suffix, place)
        one = Item(
            campaign_id=campaign.id,
            key=key,
            subtask=item.subtask,
            family_id=item.family_id,
            background_id=item.background_id,
            background_as_written=item.background_as_written,
            food_distance=item.food_distance,
            background_distance=item.background_distance,
            image_sha256=pictures.store(session, storage, image.data, PurePosixPath(key).name).sha256,
            generator=generator,
            prompt=image.prompt,
            seed=seed,
            revision=item.revision + 1,
            revision_of_id=item.id,
            candidate_set_id=candidates.id if candidates else None,
            hold=Hold.CANDIDATES if candidates else None,
            home=item.home,
            region=item.region,
            priority=item.priority,
            shuffle=shuffle_of(campaign.id, key),
            status=Status.PENDING,
            **visits._asdict(),
        )
        session.add(one)
        session.flush()
        copies = (food.model_dump(exclude={"item_id"}) for food in foods)
        session.add_all(ItemFood(item_id=one.id, **copy) for copy in copies)
        session.add_all(ItemReference(item_id=one.id, part=part, image_sha256=sha) for part, sha in image.used.items())
        session.flush()
        new.append(one)
    return new


def _free_key(session: Session, item: Item, images: int, suffix: str, place: int = 0) -> str:
    """`SF/sf-00001.r2.jpg` for the second revision of `SF/sf-00001.jpg`; `.r2-3.jpg` for its third candidate."""
    path = PurePosixPath(item.key)
    stem = path.stem.removesuffix(f".r{item.revision}")
    number = f".r{item.revision + 1}" + (f"-{place + 1}" if images > 1 and suffix else "")
    table = Item if suffix else CandidateSet
    for extra in ("", *(f"~{n}" for n in range(1, 1000))):
        key = str(path.with_name(f"{stem}{number}{extra}{suffix}"))
        if (
            session.exec(select(table.id).where(table.campaign_id == item.campaign_id, table.key == key)).first()
            is None
        ):
            return key
    raise CannotMake(f"There is no free name left for a revision of {item.key}.")
