"""What was worked out from a campaign's counts, kept for as long as they stay the same."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

MOST = 200
_kept: OrderedDict[tuple[uuid.UUID, Hashable], Any] = OrderedDict()
_lock = threading.Lock()

T = TypeVar("T")


def remembered(version: uuid.UUID, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` returns, made once for each version of the counts (see `judgments.tallies`) and key.

    A version belongs to one campaign and is never used again, so nothing has to be forgotten when judgments come in:
    what has not been asked for longest goes. Nobody may change what is returned.
    """
    place = (version, key)
    with _lock:
        if place in _kept:
            _kept.move_to_end(place)
            found: T = _kept[place]
            return found
    made = make()
    with _lock:
        _kept[place] = made
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return made
