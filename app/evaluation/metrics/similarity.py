"""How alike two dish names are: the benchmark's own measure, so that our accuracies are its accuracies."""

THRESHOLD = 0.4
"""From here on a name is correct."""


def name_similarity(predicted: str, gold: str) -> float:
    """Weighted Jaccard of lower-cased character n-gram sets, 0.7 bigrams + 0.3 unigrams, in 0..1.

    Spaces and accents count as they stand. A name of one letter has no bigrams, so equal names are 1 by definition.
    Computed in whole numbers with one division: a similarity of exactly 0.4 is the 0.4 of THRESHOLD.
    Source: the CultureMix benchmark's scoring (E. Kim et al., 2025, arXiv 2511.22787).

    "pho" and "phở": of the bigrams {ph, ho} and {ph, hở} 1 of 3 is shared, of the letters {p, h, o} and {p, h, ở} 2 of
    4, so 0.7 / 3 + 0.3 / 2.

    >>> round(name_similarity("Pho", "phở"), 4), name_similarity("Koshary", "koshary"), name_similarity("", "pho")
    (0.3833, 1.0, 0.0)
    """
    left, right = predicted.lower(), gold.lower()
    if not left or not right:
        return 0.0
    if left == right:
        return 1.0
    shared1, all1 = _overlap(set(left), set(right))
    shared2, all2 = _overlap(_bigrams(left), _bigrams(right))
    return (7 * shared2 * all1 + 3 * shared1 * all2) / (10 * all1 * all2)


def _overlap(left: set[str], right: set[str]) -> tuple[int, int]:
    """How many are in both and in either; two empty sets share nothing."""
    return len(left & right), max(1, len(left | right))


def _bigrams(text: str) -> set[str]:
    return {text[place : place + 2] for place in range(len(text) - 1)}
