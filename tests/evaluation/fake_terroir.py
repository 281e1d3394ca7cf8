"""`terroir`, knowing the fake engine too: what the tests that kill it start, and kill.

    python -m tests.evaluation.fake_terroir evaluate …

It keeps eight answers a transaction, so that small runs have several. With FAKE_TERROIR_QUICK in the environment it
does one run at a time, and a worker counts as dead after so many seconds.
"""

import os

from app import jobs
from app.cli import main
from app.evaluation import driving
from app.evaluation.engines import ENGINES
from tests.evaluation.fake_engine import NAME, WHERE

CHUNK = 8

if __name__ == "__main__":
    ENGINES[NAME] = WHERE
    driving.CHUNK = CHUNK
    if "FAKE_TERROIR_QUICK" in os.environ:
        jobs.WORKER_SILENCE_SECONDS = int(os.environ["FAKE_TERROIR_QUICK"])
        jobs.HEARTBEAT_SECONDS = 1
        jobs.QUEUES["evaluation"] = 1
    main()
