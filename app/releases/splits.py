"""Which split each family belongs to: shares as people write them, and families in the same place every time."""

import hashlib
import math
import re
from collections.abc import Mapping

from app.errors import Invalid

DEFAULT = "test=1.0"
_NAME = re.compile(r"[a-z0-9_]{1,32}")
_MOST = 10
_RESERVED = {"all"}  # `datasets` reads it as every split together


def parse(text: str) -> dict[str, float]:
    """Shares by name. Raises Invalid unless they are named, positive and add up to 1.

    >>> parse("train=0.8,test=0.2")
    {'train': 0.8, 'test': 0.2}
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, share = (piece.strip() for piece in part.partition("="))
        try:
            number = float(share)
        except ValueError:
            number = math.nan
        if not equals or math.isnan(number):
            raise _bad(f"“{part.strip()}” is no split; write NAME=SHARE, e.g. train=0.8,test=0.2.")
        if name in shares:
            raise _bad(f"The split “{name}” is named twice; give each its own name.")
        shares[name] = number
    return checked(shares)


def checked(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares, if releases can have them. Raises Invalid."""
    if len(shares) > _MOST:
        raise _bad(f"{len(shares)} splits are too many; at most {_MOST} are possible.")
    for name, share in shares.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise _bad(f"“{name[:64]}” can't name a split: use 1 to 32 of a–z, 0–9 and “_”, and not “all”.")
        if not 0 < share <= 1:
            raise _bad(f"The split “{name}” has the share {share:g}; shares are above 0 and at most 1.")
    if not math.isclose(total := sum(shares.values()), 1, abs_tol=1e-9):
        raise _bad(f"The shares of the splits add up to {total:g}; make them add up to 1.")
    return dict(shares)


def assign(families: Mapping[str, int], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Split by family, from each family's number of items. A family is never divided.

    Families come in the order of a hash of seed and name, and each goes where most is missing in proportion, so the
    shares are met as closely as whole families allow and no split stays empty while families last. Nothing depends on
    the order of rows or splits.

    >>> sorted(assign({"a": 1, "b": 1, "c": 1, "d": 1}, {"train": 0.75, "test": 0.25}, seed=0).values())
    ['test', 'train', 'train', 'train']
    """
    total = sum(families.values())
    order = sorted(shares, key=lambda name: (-shares[name], name))
    placed = dict.fromkeys(order, 0)
    found = {}
    for family in sorted(families, key=lambda name: (_hash(seed, name), name)):
        split = min(order, key=lambda name: placed[name] / (shares[name] * total))
        found[family] = split
        placed[split] += families[family]
    return found


def _hash(seed: int, family: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{family}".encode()).digest()


def _bad(message: str) -> Invalid:
    return Invalid(message, fields={"splits": message})
