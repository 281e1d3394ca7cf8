"""Any OpenAI-compatible server: vLLM, SGLang, `transformers serve`, hosted APIs; spoken with the openai SDK.

The SDK's own retries are off. It waits for Retry-After in one thread while the others go on asking, gives up within
seconds where a vLLM server takes a minute to restart, and knows no rate: see `pacing`. Sizes and times: see `wire`.
"""

import base64
import json
import math
import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import SplitResult

import httpx2
import openai

from app.errors import Invalid
from app.evaluation.engines import Capabilities, Question, Reply, Setup, UnusableEngine
from app.evaluation.engines.addresses import address_of
from app.evaluation.engines.pacing import GivenUp, Pace, PaceStopped, backoff
from app.evaluation.engines.wire import Wire
from app.evaluation.replies import MAX_REPLY, storable

HOSTED = "https://api.openai.com/v1"
PATIENCE_SECONDS = 120.0
"""How long one question is tried, and how long a server may fail all of them: longer than a vLLM server's restart."""
FIRST_PATIENCE_SECONDS = 30.0
"""The same while a server has said nothing yet but that it is down: the address may be wrong, and somebody waits."""
REQUEST_SECONDS = 300.0
_TRY_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_HOPELESS = {401, 402, 403, 404, 405}
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached"}
_REFUSALS = {"content_filter", "content_policy_violation"}
ANSWER_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"food": {"type": "string"}, "country": {"type": "string"}},
            "required": ["food", "country"],
            "additionalProperties": False,
        },
    },
}


class _Failure(NamedTuple):
    """`retry_after`: seconds the server told us to stay away; None: it said nothing. Tried again only where `again`."""

    words: str
    again: bool
    retry_after: float | None = None


class OpenAIEngine:
    """`POST {base_url}/chat/completions` with the image as a data URL, from `in_flight` threads at once.

    A 429, a 5xx or a lost connection is tried again after a growing, jittered delay, or after what Retry-After says;
    then every request waits, for the limit is everybody's. A question that failed for `patience_seconds` is given up,
    and once nothing at all has succeeded for so long, each further one at once, but for one probe now and then.
    Neither logprobs nor several answers are asked for: not all such servers say so when they can't.
    """

    capabilities = Capabilities(seed=True, json=True, loads_weights=False)

    def __init__(
        self, setup: Setup, *, patience_seconds: float = PATIENCE_SECONDS, request_seconds: float = REQUEST_SECONDS
    ) -> None:
        base_url = setup.base_url or HOSTED
        address = address_of(base_url)
        if setup.max_pixels is not None:
            raise Invalid("The openai engine sends images as they are; set the most pixels on the server itself.")
        self._host, self._path = _host(address), address.path.rstrip("/")
        self._setup = setup
        self._key = _key(setup.api_key_env)
        if not self._key and base_url == HOSTED:
            raise Invalid(f"{setup.api_key_env} is not set; {self._host} wants a key, a server of yours a --base-url.")
        self._wire = Wire(address, self._key, setup.in_flight, MAX_REPLY + 1)
        self._sdk = openai.OpenAI(
            base_url=base_url, api_key="is the wire's", max_retries=0, http_client=self._wire.client
        )
        self._patience, self._seconds = patience_seconds, request_seconds
        self._pace = Pace(setup.requests_per_minute, min(patience_seconds, FIRST_PATIENCE_SECONDS))
        self._under_way = threading.Condition()
        self._calls = 0
        self.in_flight = setup.in_flight
        self.batch_size = 1
        self._decoding: dict[str, Any] = {setup.max_tokens_name: setup.max_tokens}
        if setup.seed is not None:
            self._decoding["seed"] = setup.seed
        if setup.temperature is not None:
            self._decoding["temperature"] = setup.temperature
        if setup.stop:
            self._decoding["stop"] = list(setup.stop)
        if setup.json:
            self._decoding["response_format"] = ANSWER_FORMAT

    def describe(self) -> dict[str, Any]:
        """With the host's port, for two servers on one machine may give one name to different weights, and with the
        path, by which gateways tell deployments apart. Nothing of the SDK: it is the server that answers."""
        return {
            "name": "openai", "version": 1, "host": self._host, "path": self._path, "model": self._setup.model,
            "decoding": self._decoding,
        }  # fmt: skip

    def answer(self, batch: Sequence[Question]) -> list[Reply]:
        """Raises UnusableEngine when the server refuses the key, or knows neither the address nor the model."""
        with self._under_way:
            self._calls += 1
        try:
            return [self._ask(question) for question in batch]
        finally:
            with self._under_way:
                self._calls -= 1
                self._under_way.notify_all()

    def close(self) -> None:
        self._pace.stop()
        self._wire.stop()
        with self._under_way:  # a socket closed under another thread's feet might by then be somebody else's
            self._under_way.wait_for(lambda: self._calls == 0, timeout=2)
        self._sdk.close()

    def _ask(self, question: Question) -> Reply:
        messages = [{"role": "user", "content": _content(question)}]
        first_failed_at, tries = math.inf, 0
        while True:
            try:
                outcome = self._try(messages)
            except PaceStopped:
                return Reply(error="The run was stopped.")
            except GivenUp as end:
                return Reply(error=str(end))
            if isinstance(outcome, Reply):
                return outcome
            if not outcome.again:
                return Reply(error=outcome.words)
            now, tries = time.monotonic(), tries + 1
            first_failed_at = min(first_failed_at, now)
            delay = backoff(tries) if outcome.retry_after is None else max(backoff(1), outcome.retry_after)
            if now + delay > first_failed_at + self._pace.patience:
                return Reply(error=f"{outcome.words} Given up after {tries} tries.")
            self._pace.pause(delay)

    def _try(self, messages: list[dict[str, Any]]) -> Reply | _Failure:
        """One request, as soon as one may leave."""
        is_probe = self._pace.enter()
        failure, retry_after = None, None
        asked_at = time.monotonic()
        try:
            outcome = self._post(messages)
            if isinstance(outcome, Reply):
                return outcome._replace(latency_ms=round((time.monotonic() - asked_at) * 1000))
            failure, retry_after = outcome.words if outcome.again else None, outcome.retry_after
            return outcome
        finally:
            self._pace.leave(is_probe, failure=failure, retry_after=retry_after)

    def _post(self, messages: list[dict[str, Any]]) -> Reply | _Failure:
        self._wire.within(self._seconds)
        try:
            with self._sdk.chat.completions.with_streaming_response.create(
                model=self._setup.model,
                messages=messages,  # type: ignore[arg-type]  # the SDK wants its own TypedDicts
                **self._decoding,
            ) as response:
                data = b"".join(response.iter_bytes())
        except openai.APIStatusError as error:
            if error.status_code < 500:
                self._pace.patience = self._patience
            return self._refusal(error)
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            reason = str(error.__cause__ or "") or str(error) or type(error).__name__
            return _Failure(self._words(f"{self._host} does not answer ({reason})."), again=True)
        self._pace.patience = self._patience
        if len(data) > MAX_REPLY:
            return _Failure(f"The reply is longer than {MAX_REPLY:,} bytes.", again=False)
        return _reply(data)

    def _refusal(self, error: openai.APIStatusError) -> Reply | _Failure:
        message = str(_error_in(error.body).get("message") or error.response.reason_phrase)[:300].rstrip(".")
        words = self._words(f"{self._host} answers {error.status_code}: {message}.")
        if error.code in _REFUSALS:
            return Reply(is_refused=True)
        if error.status_code in _HOPELESS or error.code in _NO_CREDIT:
            key = self._setup.api_key_env or "the key"
            raise UnusableEngine(f"{words} Check --base-url, --model and {key}, then try again.")
        return _Failure(words, error.status_code in _TRY_AGAIN, _retry_after(error.response.headers))

    def _words(self, text: str) -> str:
        """What a server says, fit to be kept: some repeat the key they were sent."""
        return storable(text.replace(self._key, "[key]") if self._key else text)


def _host(address: SplitResult) -> str:
    """With its port, unless that goes without saying.

    >>> from urllib.parse import urlsplit
    >>> [_host(urlsplit(url)) for url in ("https://Api.example:443/v1", "http://127.0.0.1:8001/v1")]
    ['api.example', '127.0.0.1:8001']
    """
    usual = {"http": 80, "https": 443}[address.scheme]
    return f"{address.hostname}" if address.port in (None, usual) else f"{address.hostname}:{address.port}"


def _error_in(body: object) -> dict[str, Any]:
    """What the SDK found under `error`. Gemini sends a list of one such document, which the SDK leaves as it is."""
    if isinstance(body, list) and body and isinstance(body[0], dict):
        body = body[0].get("error")
    return body if isinstance(body, dict) else {}


def _key(variable: str) -> str:
    """Empty where none is set: a server of one's own may want none."""
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not (key.isprintable() or not key) or " " in key:
        raise Invalid(f"{variable} holds letters that no key has; copy it again.")
    return key


def _content(question: Question) -> list[dict[str, Any]]:
    url = f"data:{question.media_type};base64,{base64.b64encode(question.image).decode()}"
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question.prompt}]


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


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds from `Retry-After: 3` or `Retry-After: Wed, 21 Oct 2026 07:28:00 GMT`; a date is taken by the server's
    own clock where it says what that shows.

    >>> date, later = "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:09 GMT"
    >>> [_retry_after(httpx2.Headers({"Retry-After": value, "Date": date})) for value in ("3", later, "soon")]
    [3.0, 9.0, None]
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _moment(value)
        if until is None:
            return None
        seconds = (until - (_moment(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    return None if math.isnan(seconds) else max(0.0, seconds)


def _moment(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
