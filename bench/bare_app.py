"""What a claim and a judgment could cost at the least: FastAPI as its tutorial has it, one SELECT, one INSERT.

No accounts, no locks, no rules. `bench.hot_path` runs it under the same uvicorn settings on the same PostgreSQL.
"""

import os
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlmodel import Session

from app.db import make_engine

engine = make_engine(os.environ["BENCH_DATABASE_URL"])
app = FastAPI()

SELECT = sa.text("SELECT id, key, picture FROM thing WHERE id = :id")
INSERT = sa.text("INSERT INTO answer (id, thing_id, answers) VALUES (:id, :thing, CAST(:answers AS jsonb))")


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


class Body(BaseModel):
    answers: dict[str, Any]
    active_ms: int


@app.get("/things/{thing_id}")
def read(thing_id: int, session: SessionDep) -> dict[str, Any]:
    return dict(session.execute(SELECT, {"id": thing_id}).one()._mapping)


@app.post("/things/{thing_id}/answers", status_code=201)
def write(thing_id: int, body: Body, session: SessionDep) -> dict[str, str]:
    id_ = uuid.uuid4()
    session.execute(INSERT, {"id": id_, "thing": thing_id, "answers": body.model_dump_json(include={"answers"})})
    session.commit()
    return {"id": str(id_)}
