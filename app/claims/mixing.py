"""When what an annotator is given is a test: an item with a known answer, given to see how they judge."""

import hashlib
import math
import uuid
from typing import NamedTuple

from app.campaigns.parameters import Parameters
from app.claims.askers import Asker


def demanded(parameters: Parameters, n: int) -> float:
    """How many of the first `n` items are to be tests: the share falls evenly from `gold_first` to `gold_last`.

    >>> half_to_none = Parameters(gold_first=0.5, gold_taper=100)
    >>> [demanded(half_to_none, n) for n in (0, 50, 100, 1000)]
    [0.0, 18.75, 25.0, 25.0]
    """
    first, last, taper = parameters.gold_first, parameters.gold_last, parameters.gold_taper
    within = min(n, taper)
    return first * within + (last - first) * within * within / (2 * taper) + last * (n - within)


class Plan(NamedTuple):
    """Which of a person's items are tests. The k-th comes at a random place between those where k - 1 and k are
    demanded, so there are never two more than the share demands.

    The places depend on the person and on the moment they joined, which nobody is shown; not on what they do. So giving
    items back and asking again changes no place.
    """

    parameters: Parameters
    seed: str

    @classmethod
    def of(cls, asker: Asker) -> "Plan":
        return cls(asker.parameters, f"{asker.campaign_id}{asker.account_id}{asker.joined_at.timestamp()}")

    @property
    def has_tests(self) -> bool:
        return self.parameters.gold_first > 0 or self.parameters.gold_last > 0

    def by(self, n: int) -> int:
        """How many of the first `n` items are tests."""
        whole = math.floor(demanded(self.parameters, n))
        return whole + (demanded(self.parameters, n) - whole > self._place(whole + 1))

    def is_test(self, n: int) -> bool:
        """Whether the person's `n`-th item is one, from 1. Of two in one place the second comes right after."""
        if not self.has_tests:
            return False
        before = self.by(n - 1)
        return self.by(n) > before or (n > 1 and before - self.by(n - 2) > 1)

    def among(self, n_before: int, n_ordinary: int) -> int:
        """How many tests lie between the `n_ordinary` next ordinary items and before them."""
        tests = ordinary = 0
        while self.has_tests and ordinary < n_ordinary:
            if self.is_test(n_before + tests + ordinary + 1):
                tests += 1
                if tests > n_ordinary + 1000:  # a share of 1: nothing but tests
                    break
            else:
                ordinary += 1
        return tests

    def start(self, n_claimed: int) -> uuid.UUID:
        """Where among the gold items the next ones are looked for, `n_claimed` items having been given."""
        return uuid.UUID(bytes=hashlib.sha256(f"{self.seed} from {n_claimed}".encode()).digest()[:16])

    def _place(self, k: int) -> float:
        digest = hashlib.sha256(f"{self.seed}{k}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64
