"""What was worked out from a campaign's counts, kept for as long as they stay the same."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlmodel import Session

from app.judgments.tallies import up_to_date

MOST = 200
_kept: OrderedDict[tuple[uuid.UUID, Hashable], Any] = OrderedDict()
_lock = threading.Lock()

T = TypeVar("T")


def counted(session: Session, campaign_id: uuid.UUID) -> uuid.UUID:
    """Brings the counts up to date for a page, and returns their version.

    What was counted is committed at once: a page that then works for seconds, or writes a long file, would keep
    everyone else who looks at this campaign waiting, each with a connection of the pool.
    """
    version = up_to_date(session, campaign_id)
    session.commit()
    return version


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
