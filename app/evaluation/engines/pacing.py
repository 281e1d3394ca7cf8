"""When the next request to a server may leave, and when there is no use in waiting: shared by all who ask it."""

import random
import threading
import time

_FAILURES_IN_A_ROW = 5
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 10.0


class PaceStopped(Exception):
    """Nothing more is to be asked."""


class GivenUp(Exception):
    """The server has failed, or wants to be left alone, for longer than anybody's patience; the message says so."""


def backoff(failures: int) -> float:
    """Seconds until another try after so many failures: doubled each time, jittered so that not all come at once."""
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311  (so that not all come back at once)


class Pace:
    """Three brakes that hold for everybody: what Retry-After says, a token bucket, and a circuit breaker.

    The bucket holds one second's worth of `requests_per_minute`, at least one request. The breaker opens after
    _FAILURES_IN_A_ROW failures of whatever question with no success between them; then one request at a time probes,
    until one succeeds and all may go again. Once nothing has succeeded for `patience` seconds, only the probe still
    waits for an answer; for all others `enter` raises GivenUp at once, so that the time is bounded.
    """

    def __init__(self, requests_per_minute: int | None, patience: float) -> None:
        self.patience = patience
        self._changed = threading.Condition()
        self._stopped = False
        self._not_before = 0.0
        self._failing_since: float | None = None
        self._failures, self._last_failure = 0, ""
        self._is_probing, self._probes, self._probe_at = False, 0, 0.0
        self._recoveries = 0
        self._rate = requests_per_minute / 60 if requests_per_minute else None
        self._room = max(1.0, self._rate or 0)
        self._tokens, self._filled_at = self._room, time.monotonic()

    def enter(self) -> bool:
        """Returns when a request may leave, with whether it is the probe: to be handed to `leave` whatever comes of it.
        Raises PaceStopped and GivenUp."""
        with self._changed:
            while True:
                if self._stopped:
                    raise PaceStopped
                now = time.monotonic()
                wait = self._wait(now)
                if wait <= 0:
                    break
                self._changed.wait(wait)
            if self._rate:
                self._tokens -= 1
            is_probe = self._is_open
            self._is_probing |= is_probe
            return is_probe

    def leave(self, is_probe: bool, *, failure: str | None = None, retry_after: float | None = None) -> None:
        """`failure`: why the server was in no state to answer. `retry_after`: seconds it wants to be left alone."""
        now = time.monotonic()
        with self._changed:
            if is_probe:
                self._is_probing = False
            if failure is not None:
                self._failures, self._last_failure = self._failures + 1, failure
                self._failing_since = now if self._failing_since is None else self._failing_since
                if is_probe or self._failures == _FAILURES_IN_A_ROW:
                    self._probes += 1
                    self._probe_at = now + (backoff(self._probes) if retry_after is None else retry_after)
            else:
                self._recoveries += self._is_open
                self._failures, self._probes, self._failing_since = 0, 0, None
            if retry_after is not None:
                self._not_before = max(self._not_before, now + retry_after)
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Returns early when all is stopped, or the breaker has closed again."""
        with self._changed:
            before = self._recoveries
            self._changed.wait_for(lambda: self._stopped or self._recoveries > before, seconds)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def _is_open(self) -> bool:
        return self._failures >= _FAILURES_IN_A_ROW

    def _wait(self, now: float) -> float:
        """Seconds until it is worth looking again; 0: now."""
        told = self._not_before - now
        if told > self.patience:
            raise GivenUp(f"{self._last_failure} Given up: it wants to be left alone for {told:,.0f} s.")
        if self._is_open:
            assert self._failing_since is not None
            probe = self._probe_at - now
            left = self._failing_since + self.patience - now
            if left <= 0 and (self._is_probing or probe > 0):
                raise GivenUp(f"{self._last_failure} Given up: it has answered nothing for {self.patience:,.0f} s.")
            if self._is_probing:
                return max(left, 0.001)  # woken when the probe comes back
            told = max(told, min(probe, max(left, 0)))
        return max(told, self._token_in(now))

    def _token_in(self, now: float) -> float:
        if not self._rate:
            return 0
        self._tokens = min(self._room, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return (1 - self._tokens) / self._rate
