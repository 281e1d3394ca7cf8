"""A figure with its 95 % interval, and the two ways this project finds one: percentiles and Wilson's formula."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Reason = Literal["no_overlap", "no_variation", "no_judgments", "one_item", "one_family", "no_replicates", "unstable"]
FloatArray = npt.NDArray[np.float64]

# The 97.5 % point of the standard normal distribution.
Z95 = 1.959963984540054

# With more than 1 in 20 replicates undefined, the place of the outer 5 % is itself unknown.
UNDEFINED_SHARE_ALLOWED = 0.05


class Estimate(NamedTuple):
    """A value and its 95 % interval; whatever can't be computed is None, and `reason` then says why.

    `no_overlap`: no item has two judgments. `no_variation`: all answers alike, so a chance-corrected figure is 0/0.
    `no_judgments`: nothing was counted. The value stands, but without an interval: `one_item` or `one_family`,
    a single one can't be resampled; `no_replicates`, none were asked for; `unstable`, more than 5 % of the
    replicates are undefined.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: Reason | None = None

    def as_json(self) -> dict[str, Any]:
        """The `E` of the agreement document: value, low, high, reason."""
        return self._asdict()


def percentile_interval(replicates: FloatArray) -> tuple[float, float] | None:
    """The 2.5th and 97.5th percentile of the defined replicates; None when over 5 % are undefined (NaN).

    >>> percentile_interval(np.array([0.0, 0.5, 1.0]))
    (0.025, 0.975)
    >>> percentile_interval(np.array([0.0, 0.5, np.nan])) is None
    True
    """
    defined = replicates[~np.isnan(replicates)]
    if len(defined) == 0 or len(defined) < (1 - UNDEFINED_SHARE_ALLOWED) * len(replicates):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def wilson(successes: float, total: float) -> Estimate:
    """A share with Wilson's 95 % score interval (Wilson 1927), which keeps inside 0..1 and works for few trials.

    >>> accuracy = wilson(18, 20)
    >>> accuracy.value, round(accuracy.low, 4), round(accuracy.high, 4)
    (0.9, 0.699, 0.9721)
    >>> wilson(0, 0)
    Estimate(value=None, low=None, high=None, reason='no_judgments')
    """
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is not a share")
    if total == 0:
        return Estimate(None, reason="no_judgments")
    share = successes / total
    centre = share + Z95**2 / (2 * total)
    half = Z95 * math.sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2))
    scale = 1 + Z95**2 / total
    return Estimate(share, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))
