"""Any OpenAI-compatible server: vLLM, SGLang, `transformers serve`, hosted APIs.

Spoken with the standard library alone. One kind of request is all we make, the base install stays light, and the
promises that matter here (no request before Retry-After says so, replies of at most 1 MB, a deadline for the whole
reply and not for each packet, no redirect that would take the key along) are ours to keep whatever the client.
"""

import base64
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.errors import Invalid, TerroirError
from app.evaluation.engines import Question, Reply
from app.evaluation.replies import MAX_REPLY, storable

HOSTED = "https://api.openai.com/v1"
IN_FLIGHT = 8
PATIENCE_SECONDS = 120.0
"""How long one question is tried, and how long a server may fail all of them: longer than a vLLM server's restart."""
REQUEST_SECONDS = 300.0
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 20.0
_TRY_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_HOPELESS = {401, 403, 404, 405}
_REFUSALS = {"content_filter", "content_policy_violation"}


class UnusableEngine(TerroirError):
    """The server is there, but no question can be asked of it as things stand."""

    title = "The model's server refuses us"


class _Failure(NamedTuple):
    """`wait`: seconds the server told us to stay away; None: it said nothing. Only where `again` is it tried again."""

    words: str
    again: bool
    wait: float | None = None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class OpenAIEngine:
    """`POST {base_url}/chat/completions` with the image as a data URL, IN_FLIGHT at a time.

    A 429, a 5xx or a lost connection is tried again after a growing, jittered delay, or after what Retry-After says;
    then every request waits, for the limit is everybody's. A question that failed for `patience_seconds` is given up,
    and once nothing at all has succeeded for so long, each further one is tried once.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = HOSTED,
        api_key: str | None = None,
        max_tokens: int,
        seed: int = 0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._host = _host_of(base_url)
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "terroir"}
        if api_key := (api_key or "").strip():
            if not api_key.isascii() or not api_key.isprintable():
                raise Invalid("OPENAI_API_KEY holds letters that no key has; copy it again.")
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._model = model
        self._decoding = {"temperature": 0, "max_tokens": max_tokens, "seed": seed}
        self._patience = patience_seconds
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._not_before = 0.0
        self._failing_since: float | None = None

    def describe(self) -> dict[str, Any]:
        """The host without its port or path: a server that moved on its machine is the same server."""
        return {"name": "openai", "version": 1, "host": self._host, "model": self._model, "decoding": self._decoding}

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        """Raises UnusableEngine when the server refuses the key, or knows neither the address nor the model."""
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="ask") as pool:
            asked = [pool.submit(self._ask, question) for question in batch]
            try:
                return [one.result() for one in asked]
            except BaseException:
                self._stopped.set()  # those that wait for another try give up
                pool.shutdown(cancel_futures=True)
                raise

    def _ask(self, question: Question) -> Reply:
        body = json.dumps(
            {
                "model": self._model,
                "messages": [{"role": "user", "content": _content(question)}],
                **self._decoding,
            }
        ).encode()
        began, tries = time.monotonic(), 0
        while True:
            self._wait_until(self._not_before)
            if self._stopped.is_set():
                return Reply(error="The run was stopped.")
            asked_at = time.monotonic()
            outcome = self._post(body)
            now = time.monotonic()
            if isinstance(outcome, Reply):
                self._failing_since = None
                return outcome._replace(latency_ms=round((now - asked_at) * 1000))
            if not outcome.again:
                return Reply(error=outcome.words)
            tries += 1
            since = self._note_failure(asked_at)
            delay = outcome.wait
            if delay is None:
                longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(tries - 1, 10))
                delay = longest * random.uniform(0.5, 1)  # noqa: S311  (so that not all come back at once)
            else:
                with self._lock:
                    self._not_before = max(self._not_before, now + delay)
            if now + delay > began + self._patience or now > since + self._patience:
                return Reply(error=f"{outcome.words} Given up after {tries} tries.")
            self._wait_until(now + delay)

    def _note_failure(self, at: float) -> float:
        """Since when nothing has succeeded."""
        with self._lock:
            self._failing_since = at if self._failing_since is None else self._failing_since
            return self._failing_since

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0 and not self._stopped.wait(left):
            moment = max(moment, self._not_before)

    def _post(self, body: bytes) -> Reply | _Failure:
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310  (http or https: see __init__)
        deadline = time.monotonic() + REQUEST_SECONDS
        try:
            with self._opener.open(request, timeout=REQUEST_SECONDS) as response:
                data = _read(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                return self._refusal(error)
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            reason = getattr(error, "reason", None) or error
            return _Failure(f"{self._host} does not answer ({reason}).", again=True)
        if data is None:
            return _Failure(f"The reply is longer than {MAX_REPLY:,} bytes.", again=False)
        return _reply(data)

    def _refusal(self, error: urllib.error.HTTPError) -> Reply | _Failure:
        try:
            detail = json.loads(error.read(65_536))["error"]
            message, code = str(detail["message"])[:300], detail.get("code")
        except (ValueError, TypeError, KeyError, AttributeError, OSError, HTTPException, RecursionError):
            message, code = str(error.reason), None
        words = storable(f"{self._host} answers {error.code}: {message.rstrip('.')}.")
        if code in _REFUSALS:
            return Reply(is_refused=True)
        if error.code in _HOPELESS:
            raise UnusableEngine(f"{words} Check --base-url, --model and OPENAI_API_KEY, then run the command again.")
        return _Failure(words, error.code in _TRY_AGAIN, _retry_after(error.headers.get("Retry-After")))


def _host_of(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        plain = base_url.isascii() and base_url.isprintable() and " " not in base_url and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or parts.username or parts.query or not parts.hostname:
        raise Invalid("--base-url takes an address such as http://127.0.0.1:8000/v1, without a name or key in it.")
    return parts.hostname


def _content(question: Question) -> list[dict[str, Any]]:
    url = f"data:{question.media_type};base64,{base64.b64encode(question.image).decode()}"
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question.prompt}]


def _read(response: HTTPResponse, deadline: float) -> bytes | None:
    """The whole body; None for one over MAX_REPLY. Raises TimeoutError for one that drips past the deadline."""
    data = bytearray()
    while chunk := response.read1(65_536):
        data += chunk
        if len(data) > MAX_REPLY:
            return None
        if time.monotonic() > deadline:
            raise TimeoutError("the reply took too long")
    return bytes(data)


def _reply(data: bytes) -> Reply | _Failure:
    try:
        document = json.loads(data)
        choice = document["choices"][0]
        message = choice["message"]
        text = message.get("content")
        if isinstance(text, list):  # some servers answer in parts, as they are asked
            text = "".join(str(part.get("text", "")) for part in text if part.get("type") == "text")
        usage = document.get("usage") or {}
        return Reply(
            text=storable(str(text or "")),
            is_cut=choice.get("finish_reason") == "length",
            is_refused=bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter",
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return _Failure("The reply is no chat completion.", again=True)  # a proxy's page, or a reply cut short


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _retry_after(value: str | None) -> float | None:
    """Seconds from `Retry-After: 3` or `Retry-After: Wed, 21 Oct 2026 07:28:00 GMT`.

    >>> _retry_after("3"), _retry_after("Wed, 21 Oct 2020 07:28:00 GMT"), _retry_after("soon")
    (3.0, 0.0, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except ValueError:
            return None
    return max(0.0, seconds) if seconds == seconds else None
