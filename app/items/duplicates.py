"""Images that are there twice: byte for byte under two keys, or so alike that a person would not tell them apart."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from app.items.images import hamming, near_duplicates

NEAR: Final = 2
"""Bits of 64 in which the perceptual hashes of near duplicates differ at most: saved again at half the quality or at
another size, images of the CultureMix sample move by 0 to 2. The closest two different ones there are 8 apart, but
composed scenes that share a photograph come as close as 2 to 4, so a near pair is something to look at, no verdict."""

MOST_PAIRS: Final = 1000


class Picture(NamedTuple):
    sha256: str
    phash: int


class Duplicate(NamedTuple):
    kind: str
    a: str
    b: str
    distance: int


def find(new: Mapping[str, Picture], there: Mapping[str, Picture]) -> list[Duplicate]:
    """Pairs of keys with at least one new one: each exact copy beside the first of its kind, then the near pairs.

    At most MOST_PAIRS near pairs, so that a folder of flat images can't fill a report.
    """
    first: dict[str, str] = {}
    for key, picture in there.items():
        first.setdefault(picture.sha256, key)
    exact = []
    for key, picture in new.items():
        other = first.setdefault(picture.sha256, key)
        if other != key:
            exact.append(Duplicate("exact", other, key, 0))
    # The new ones first: their pairs come before the limit is reached, and pairs of old ones come last.
    hashes = [(key, picture.phash) for key, picture in (*new.items(), *there.items())]
    pictures = {**there, **new}
    near = [
        Duplicate("near", a, b, hamming(pictures[a].phash, pictures[b].phash))
        for a, b in near_duplicates(hashes, NEAR, at_most=MOST_PAIRS)
        if a in new and pictures[a].sha256 != pictures[b].sha256
    ]
    return exact + near
