"""Slows down guessing of passwords: so many failures in so many minutes, then a pause.

Counted per server process and in memory: enough against a spray, and nothing to clean up. Several processes
multiply the allowance by their number.
"""

import threading
import time
from collections import defaultdict, deque

from app.errors import Sentence, TooMany

WINDOW_SECONDS = 300
MAX_FAILURES = 10
MAX_KEYS = 10_000


class Throttle:
    def __init__(self) -> None:
        self._failures: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def check(self, *keys: str) -> None:
        """Raises TooMany when any of the keys has failed too often of late."""
        with self._lock:
            if any(len(self._recent(key)) >= MAX_FAILURES for key in keys):
                raise TooMany(Sentence("Too many failed sign-ins; wait five minutes, or ask an admin for a new link."))

    def failed(self, *keys: str) -> None:
        with self._lock:
            if len(self._failures) > MAX_KEYS:
                self._failures.clear()
            for key in keys:
                self._recent(key).append(time.monotonic())

    def _recent(self, key: str) -> deque[float]:
        failures = self._failures[key]
        while failures and failures[0] < time.monotonic() - WINDOW_SECONDS:
            failures.popleft()
        return failures


sign_in_throttle = Throttle()
