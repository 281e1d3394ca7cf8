"""Annotators in a process of their own, a thread each: `python -m tests.claims.crowd URL SLUG SEED ACCOUNT…`.

It says "ready" and begins at the next line it is given, so that several begin together. Each annotator claims and
judges until there has been nothing for it twice. An error ends the process with its traceback.
"""

import random
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app.accounts.models import Account
from app.campaigns import service as campaigns
from app.claims import service as claims
from app.db import make_engine, transaction
from app.judgments import service as judgments
from tests.judgments.answers import all_yes, answer


def work(engine: sa.Engine, slug: str, account_id: uuid.UUID, rng: random.Random, patience: int = 2) -> int:
    """Returns how many were judged."""
    judged = 0
    while patience:
        with transaction(engine) as session:
            account = session.get_one(Account, account_id)
            campaign, policy = campaigns.with_policy(session, slug)
            mine = claims.claim_next(session, account, campaign, policy, count=rng.randint(1, 3), lease=60).claims
        if not mine:
            patience -= 1
            time.sleep(0.02)
        for claim in mine:
            given = all_yes(food1_identity=answer(rng.choices(["yes", "no", "unsure"], [8, 3, 1])[0]))
            asked = {key: value for key, value in given.answers.items() if key in (claim.questions or given.answers)}
            with transaction(engine) as session:
                judgments.submit(session, account, claim.id, given._replace(answers=asked))
            judged += 1
    return judged


def main() -> None:
    url, slug, seed, *accounts = sys.argv[1:]
    engine = make_engine(url)
    with ThreadPoolExecutor(len(accounts)) as pool:
        people = [(uuid.UUID(account), random.Random(f"{seed} {account}")) for account in accounts]
        print("ready", flush=True)
        sys.stdin.readline()
        print(sum(pool.map(lambda person: work(engine, slug, *person), people)), flush=True)
    engine.dispose()


if __name__ == "__main__":
    main()
