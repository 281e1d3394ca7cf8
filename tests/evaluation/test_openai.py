"""The client of OpenAI-compatible servers, against one that is scripted."""

import doctest
import gzip
import importlib
import json
import logging
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from app.errors import Invalid
from app.evaluation.engines import Question, Reply, Setup, UnusableEngine, check, make_engine
from app.evaluation.engines.openai import OpenAIEngine
from tests.evaluation.server import Request, Scripted, Server, answered, completion, refused, serving

QUESTION = Question("What is it?\n", b"\xff\xd8\xff image", "image/jpeg")
PHO = answered("Pho", "Vietnam")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")


def setup_for(server: Server, **changes: Any) -> Setup:
    return Setup(**{"engine": "openai", "model": "tiny", "base_url": server.base_url, "max_tokens": 99, **changes})


@contextmanager
def engine_for(
    server: Server, *, patience_seconds: float = 20.0, request_seconds: float = 20.0, **changes: Any
) -> Iterator[OpenAIEngine]:
    setup = setup_for(server, **changes)
    engine = OpenAIEngine(setup, patience_seconds=patience_seconds, request_seconds=request_seconds)
    try:
        yield engine
    finally:
        engine.close()


def ask(server: Server, **options: Any) -> Reply:
    with engine_for(server, **options) as engine:
        [reply] = engine.answer([QUESTION])
    return reply


def ask_all(engine: OpenAIEngine, questions: list[Question]) -> list[Reply]:
    """As a fleet does: one question a call, from as many threads as the engine can use."""
    with ThreadPoolExecutor(engine.in_flight) as pool:
        return [reply for [reply] in pool.map(lambda question: engine.answer([question]), questions)]


def test_a_question_carries_image_prompt_decoding_and_key() -> None:
    with serving(lambda request: PHO) as server:
        reply = ask(server, seed=5)
    assert json.loads(reply.text or "") == {"food": "Pho", "country": "Vietnam"}
    assert (reply.input_tokens, reply.output_tokens, reply.error) == (321, 12, None)
    assert reply.latency_ms is not None
    [request] = server.requests
    assert request.prompt == QUESTION.prompt
    assert request.authorization == "Bearer sesame"
    assert set(request.body) == {"model", "messages", "temperature", "max_tokens", "seed"}
    assert request.body["model"] == "tiny"
    assert (request.body["temperature"], request.body["max_tokens"], request.body["seed"]) == (0, 99, 5)


def test_decoding_is_what_the_setup_says_and_is_described() -> None:
    changes = {
        "temperature": None,
        "seed": None,
        "max_tokens_name": "max_completion_tokens",
        "stop": ("\n\n",),
        "json": True,
    }
    with serving(lambda request: PHO) as server, engine_for(server, **changes) as engine:
        engine.answer([QUESTION])
        described = engine.describe()
    [request] = server.requests
    sent = {name: value for name, value in request.body.items() if name not in ("model", "messages")}
    assert set(sent) == {"max_completion_tokens", "stop", "response_format"}
    schema = sent["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["food", "country"]
    assert sent == described["decoding"]
    assert (described["name"], described["model"]) == ("openai", "tiny")
    assert f"http://{described['host']}/v1" == server.base_url
    assert "sesame" not in json.dumps(described)


def test_servers_told_apart_by_port_or_path_are_not_one() -> None:
    def described(base_url: str) -> dict[str, Any]:
        engine = OpenAIEngine(Setup("openai", "tiny", 9, base_url=base_url))
        engine.close()
        return engine.describe()

    one = described("http://gateway.example:8000/deployments/a/v1")
    assert one == described("http://gateway.example:8000/deployments/a/v1/")
    assert one != described("http://gateway.example:9000/deployments/a/v1"), "other weights may have that name there"
    assert described("https://api.example/v1") == described("https://API.example:443/v1")
    assert one != described("http://gateway.example:8000/deployments/b/v1")


def test_make_engine_gives_one_that_answers() -> None:
    with serving(lambda request: PHO) as server:
        setup = Setup.of(json.loads(json.dumps(setup_for(server, in_flight=3).as_json())))
        check(setup)
        engine = make_engine(setup)
        assert (engine.in_flight, engine.batch_size, engine.capabilities.loads_weights) == (3, 1, False)
        assert engine.answer([QUESTION])[0].error is None
        engine.close()


def test_nothing_of_the_environment_is_sent_to_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK looks there for keys and headers, and would send them to whatever host it is given."""
    monkeypatch.setenv("GEMINI_API_KEY", " mellon\n")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sesame\nX-Gate: sesame")
    for name in ("OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "sesame")
    with serving(lambda request: PHO._replace(headers={"Set-Cookie": "a=b"})) as server:
        for variable, expected in (("GEMINI_API_KEY", "Bearer mellon"), ("UNSET_API_KEY", None)):
            with engine_for(server, api_key_env=variable) as engine:
                assert [reply.error for reply in engine.answer([QUESTION] * 2)] == [None, None]
            assert server.requests[-1].authorization == expected
    for request in server.requests:
        assert "sesame" not in str(request.headers)
        sent = {name.lower() for name in request.headers}
        assert sent <= {"host", "accept", "authorization", "content-type", "content-length", "user-agent", "connection"}


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def serve() -> None:
            connection, _ = proxy.accept()
            with connection:
                seen.append(connection.recv(1_000).split(b"\r\n")[0])
                connection.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
        engine = OpenAIEngine(Setup(engine="openai", model="m", base_url="http://model.test/v1", max_tokens=9))
        assert "answers 400" in (engine.answer([QUESTION])[0].error or "")
        thread.join()
        engine.close()
    assert seen == [b"POST http://model.test/v1/chat/completions HTTP/1.1"]


def test_each_of_many_threads_gets_its_own_reply() -> None:
    def script(request: Request) -> Scripted:
        time.sleep(0.01 * (len(request.prompt) % 3))
        return completion(request.prompt)

    questions = [QUESTION._replace(prompt="x" * n) for n in range(1, 30)]
    with serving(script) as server, engine_for(server) as engine:
        assert [reply.text for reply in ask_all(engine, questions)] == [one.prompt for one in questions]
        assert [reply.text for reply in engine.answer(questions[:3])] == ["x", "xx", "xxx"]


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        (completion("cut", "length"), Reply("cut", is_cut=True)),
        (completion(None, "content_filter"), Reply("", is_refused=True)),
        (completion(None, refusal="No."), Reply("", is_refused=True)),
        (Scripted(400, b'{"error": {"message": "m", "code": "content_filter"}}'), Reply(None, is_refused=True)),
        (Scripted(200, b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]}'), Reply("a")),
        (completion("a\0b\ud800"), Reply("a\ufffdb?")),
    ],
)
def test_what_the_engine_says_of_a_reply_is_kept(scripted: Scripted, expected: Reply) -> None:
    with serving(lambda request: scripted) as server:
        assert ask(server)._replace(latency_ms=None, input_tokens=None, output_tokens=None) == expected


def test_latency_is_that_of_the_try_that_succeeded() -> None:
    def script(request: Request) -> Scripted:
        time.sleep(0.05)
        return refused(503) if request.number == 0 else PHO

    with serving(script) as server:
        latency = ask(server).latency_ms
    assert latency is not None
    assert 50 <= latency < 250


class Limited:
    """429 with Retry-After until `until` seconds after the first request; counts what came before it was due."""

    def __init__(self, until: float, retry_after: float) -> None:
        self.until, self.retry_after = until, retry_after
        self.lock = threading.Lock()
        self.first: float | None = None
        self.told_until = 0.0
        self.early = 0

    def __call__(self, request: Request) -> Scripted:
        with self.lock:
            self.first = self.first or request.at
            limited = request.at < self.first + self.until
            self.early += request.at < self.told_until
            if limited:
                self.told_until = max(self.told_until, time.monotonic() + self.retry_after)
        if limited:
            return refused(429, Retry_After=f"{self.retry_after:g}")
        time.sleep(0.1)
        return PHO


@pytest.mark.parametrize(
    ("until", "retry_after"), [(2, 1), pytest.param(10, 3, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_no_request_comes_before_retry_after_says_so(until: float, retry_after: float) -> None:
    """The limit is everybody's: all threads wait, no question is lost, and then all go on."""
    script = Limited(until, retry_after)
    with serving(script) as server, engine_for(server) as engine:
        replies = ask_all(engine, [QUESTION] * 60)
    assert all(reply.error is None for reply in replies)
    assert script.early <= 7 + 7  # on their way as the first of a round was answered; probes go alone
    assert script.first is not None
    after = [request for request in server.requests if request.at > script.first + until]
    assert max(request.at_once for request in after) >= 7
    assert len(server.requests) - 60 <= 2 * 8 + until / retry_after  # two rounds at most, then probes


def test_one_told_to_wait_holds_all_back() -> None:
    """But for those that were on their way already."""

    def script(request: Request) -> Scripted:
        if request.number == 0:
            return refused(429, Retry_After="1")
        time.sleep(0.2)
        return PHO

    with serving(script) as server, engine_for(server) as engine:
        assert all(reply.error is None for reply in ask_all(engine, [QUESTION] * 30))
    assert len(server.requests) == 31
    assert sum(request.at < server.requests[0].at + 1 for request in server.requests) <= 8


def test_retry_after_may_be_a_date() -> None:
    """By the server's clock, which here is three hours slow."""
    date = datetime.now(UTC) - timedelta(hours=3)

    def script(request: Request) -> Scripted:
        later = format_datetime(date + timedelta(seconds=1), usegmt=True)
        return refused(429, Retry_After=later) if request.number == 0 else PHO

    def scripted(request: Request) -> Scripted:
        reply = script(request)
        return reply._replace(headers={**reply.headers, "Date": format_datetime(date, usegmt=True)})

    with serving(scripted) as server:
        assert ask(server).error is None
    first, second = server.requests
    assert 1 <= second.at - first.at < 3


def test_nobody_waits_for_longer_than_patience() -> None:
    with serving(lambda request: refused(429, "Daily limit", Retry_After="86400")) as server:
        began = time.monotonic()
        with engine_for(server) as engine:
            replies = ask_all(engine, [QUESTION] * 50)
        assert time.monotonic() - began < 3
    assert all("Daily limit" in (reply.error or "") and "Given up" in (reply.error or "") for reply in replies)
    assert len(server.requests) <= 8


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_costs_no_answer(status: int) -> None:
    with serving(lambda request: refused(status) if request.number == 0 else PHO) as server:
        assert ask(server).error is None
    assert len(server.requests) == 2


def test_one_failure_in_twenty_costs_no_answer() -> None:
    chance = random.Random(7)
    with (
        serving(lambda request: refused(500) if chance.random() < 0.05 else PHO) as server,
        engine_for(server, in_flight=16) as engine,
    ):
        replies = ask_all(engine, [QUESTION] * 300)
    assert [reply.error for reply in replies] == [None] * 300
    assert len(server.requests) > 300


def test_a_server_that_only_fails_is_given_up_in_bounded_time() -> None:
    with serving(lambda request: refused(500, "Out of memory")) as server, engine_for(server, patience_seconds=1) as it:
        began = time.monotonic()
        replies = ask_all(it, [QUESTION] * 500)
        assert time.monotonic() - began < 4
    assert all("Out of memory" in (reply.error or "") and reply.text is None for reply in replies)
    assert len(server.requests) < 40


def test_after_failures_in_a_row_one_request_at_a_time_probes() -> None:
    """The server is down for a while, as everybody notices; then all go on at full breadth."""
    down_until = time.monotonic() + 4

    def script(request: Request) -> Scripted:
        time.sleep(0.3)
        return refused(503) if request.at < down_until else PHO

    with serving(script) as server, engine_for(server, in_flight=16) as engine:
        replies = ask_all(engine, [QUESTION] * 100)
    assert all(reply.error is None for reply in replies)
    down = [request for request in server.requests if request.at < down_until]
    assert max(request.at_once for request in down) >= 8
    all_are_back = server.requests[15].at + 0.5  # on a busy machine not at the same moment
    probes = [request for request in down if request.number >= 16 and request.at > all_are_back]
    assert 1 <= len(probes) <= 6
    assert all(request.at_once == 1 for request in probes)
    up = server.requests[len(down) :]
    assert max(request.at_once for request in up) >= 8


def test_a_server_that_comes_back_after_all_was_given_up_is_found() -> None:
    is_up = threading.Event()
    with (
        serving(lambda request: PHO if is_up.is_set() else refused(500)) as server,
        engine_for(server, patience_seconds=0.5) as engine,
    ):
        assert all(reply.error for reply in ask_all(engine, [QUESTION] * 50))
        is_up.set()
        deadline = time.monotonic() + 10
        while engine.answer([QUESTION])[0].error is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert all(reply.error is None for reply in ask_all(engine, [QUESTION] * 50))


def test_requests_keep_to_the_rate() -> None:
    """300 a minute: five at once, then one each 0.2 s, whoever asks."""
    with serving(lambda request: PHO) as server, engine_for(server, requests_per_minute=300) as engine:
        time.sleep(0.5)  # a full bucket does not run over
        assert all(reply.error is None for reply in ask_all(engine, [QUESTION] * 14))
    times = [request.at - server.requests[0].at for request in server.requests]
    assert all(seconds >= 0.2 * (number - 4) - 0.05 for number, seconds in enumerate(times))
    assert times[-1] < 3


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    engine = OpenAIEngine(Setup("openai", "m", 9, base_url=address), patience_seconds=0)
    [reply] = engine.answer([QUESTION])
    engine.close()
    words = f"{address.split('/')[2]} does not answer ([Errno 111] Connection refused)."
    assert (reply.error or "").startswith(words)


def test_a_server_that_never_answered_is_given_up_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address may be wrong. One that has answered may be starting again, and one that limits us is there."""
    monkeypatch.setattr("app.evaluation.engines.openai.FIRST_PATIENCE_SECONDS", 0.0)
    for first in (PHO, refused(429, Retry_After="1")):
        scripted = iter([first, refused(500), PHO])
        with serving(lambda request: next(scripted)) as server, engine_for(server) as engine:  # noqa: B023
            assert [engine.answer([QUESTION])[0].error for _ in range(2 if first is PHO else 1)][-1] is None
    with serving(lambda request: refused(500)) as server, engine_for(server) as engine:
        assert "Given up after 1 tries" in (engine.answer([QUESTION])[0].error or "")


def test_the_hosted_server_is_never_asked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Invalid, match=r"OPENAI_API_KEY is not set.*--base-url"):
        OpenAIEngine(Setup("openai", "gpt-5", 9))


def test_a_server_that_restarts_costs_no_answer() -> None:
    """Connection refused for a while, as while vLLM starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = OpenAIEngine(Setup("openai", "tiny", 9, base_url=f"http://127.0.0.1:{port}/v1"), patience_seconds=20)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(engine.answer, [QUESTION])
        time.sleep(0.8)
        with serving(lambda request: PHO, port=port):
            assert asked.result()[0].error is None
    engine.close()


def test_a_kept_connection_that_was_dropped_is_opened_again() -> None:
    def drop(connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with (
        serving(
            lambda request: Scripted(200, b"", send=drop) if request.number == 1 else PHO, keep_alive=True
        ) as server,
        engine_for(server) as engine,
    ):
        assert [reply.error for reply in engine.answer([QUESTION] * 3)] == [None] * 3
    assert len(server.requests) == 4


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of 127.0.0.1, signed by itself; key and certificate in one file."""
    path = tmp_path / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_a_slow_reply_comes_through_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is interrupted several times meanwhile."""

    def script(request: Request) -> Scripted:
        time.sleep(0.9)
        return completion("x" * 200_000)

    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    with serving(script, certificate=certificate) as server:
        assert len(ask(server).text or "") == 200_000


def test_a_server_that_nobody_vouches_for_gets_no_question(certificate: Path) -> None:
    with serving(lambda request: PHO, certificate=certificate) as server:
        assert "does not answer" in (ask(server, patience_seconds=0).error or "")
    assert server.requests == []


@pytest.mark.parametrize("wrap", ["%s", "[%s]"], ids=["as OpenAI", "as Gemini"])
def test_a_bad_request_is_asked_once(wrap: str) -> None:
    body = wrap % '{"error": {"message": "Image too large"}}'
    with serving(lambda request: Scripted(400, body.encode())) as server:
        host = server.base_url.split("/")[2]
        assert ask(server).error == f"{host} answers 400: Image too large."
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {"message": "No such key: sesame"}),
        (403, {"message": "Not for you"}),
        (404, {"message": "No such model"}),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    ],
)
def test_what_no_question_gets_past_ends_the_attempt(status: int, error: dict[str, str]) -> None:
    with serving(lambda request: Scripted(status, json.dumps({"error": error}).encode())) as server:
        with pytest.raises(UnusableEngine, match=r"Check .* OPENAI_API_KEY") as refusal:
            ask(server)
        assert error["message"].replace("sesame", "[key]") in str(refusal.value)
        assert "sesame" not in str(refusal.value)
    assert len(server.requests) == 1


def test_the_key_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(lambda request: refused(500, "Bearer sesame is no friend")) as server:
        error = ask(server, patience_seconds=0).error or ""
    assert "Bearer [key] is no friend" in error
    assert caplog.records
    assert "sesame" not in caplog.text.replace("Bearer sesame is no friend", "")


def test_a_redirect_does_not_get_the_key() -> None:
    with (
        serving(lambda request: PHO) as other,
        serving(lambda request: Scripted(307, b"", {"Location": f"{other.base_url}/chat/completions"})) as server,
    ):
        assert "307" in (ask(server).error or "")
    assert other.requests == []


def test_a_reply_over_a_megabyte_is_not_taken_in() -> None:
    with serving(lambda request: completion("x" * 1_100_000)) as server:
        assert "longer than" in (ask(server).error or "")


@pytest.mark.parametrize("status", [200, 400])
def test_a_reply_without_end_is_left(status: int) -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 1000000000\r\n\r\n".encode())
        for _ in range(1000):
            connection.sendall(b" " * 1_000_000)
            sent.append(1)

    with serving(lambda request: Scripted(status, b"", send=flood)) as server:
        error = ask(server).error or ""
    assert ("longer than" if status == 200 else "answers 400") in error
    assert len(sent) < 20


def test_a_compressed_reply_is_not_blown_up() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    with serving(lambda request: Scripted(200, bomb, {"Content-Encoding": "gzip"})) as server:
        assert "no chat completion" in (ask(server, patience_seconds=0).error or "")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_reply_that_drips_meets_the_deadline(head: bytes) -> None:
    """Each packet is in time; the whole is not."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(100):
            connection.sendall(b"a")
            time.sleep(0.05)

    with serving(lambda request: Scripted(200, b"", send=drip)) as server:
        began = time.monotonic()
        reply = ask(server, patience_seconds=0, request_seconds=0.5)
        assert 0.5 <= time.monotonic() - began < 2
    assert "does not answer (the reply took too long)" in (reply.error or "")


def test_closing_ends_what_is_under_way() -> None:
    """One thread waits for the server, one for its own next try, one for the rate: all end within a second or so."""

    def script(request: Request) -> Scripted:
        time.sleep(3)
        return PHO

    with serving(script) as server:
        engine = OpenAIEngine(setup_for(server, requests_per_minute=1), patience_seconds=20)
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(engine.answer, [QUESTION]) for _ in range(2)]
            time.sleep(0.3)
            began = time.monotonic()
            engine.close()
            errors = [one.result()[0].error or "" for one in asked]
            assert time.monotonic() - began < 1.5
    assert all("stopped" in error for error in errors)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"choices": []}', b"[" * 100_000, b"\xff\xfe"])
def test_a_reply_that_is_no_completion_is_a_failure(body: bytes) -> None:
    with serving(lambda request: Scripted(200, body)) as server:
        assert "no chat completion" in (ask(server, patience_seconds=0).error or "")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": "x"}', b"[" * 100_000, b'{"error": {"code": 7}}'])
def test_an_error_in_any_form_is_one(body: bytes) -> None:
    with serving(lambda request: Scripted(422, body)) as server:
        assert " answers 422: " in (ask(server).error or "")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "127.0.0.1:8000", "http://me:key@host/v1", "http://h/v1?key=x", "http://h:port/v1",
        "http://[/v1", "http://h/v 1", "http:///v1", "http://h/\n",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="--base-url"):
        OpenAIEngine(Setup("openai", "m", 9, base_url=url))


@pytest.mark.parametrize("value", ["ses\name", "ses ame", "sésame"])
def test_a_key_that_is_none_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", value)
    with pytest.raises(Invalid, match="GEMINI_API_KEY") as refusal:
        OpenAIEngine(Setup("openai", "m", 9, api_key_env="GEMINI_API_KEY"))
    assert "ame" not in str(refusal.value)


def test_a_limit_of_pixels_is_refused_not_forgotten() -> None:
    with pytest.raises(Invalid, match="most pixels"):
        OpenAIEngine(Setup("openai", "m", 9, max_pixels=100))


@pytest.mark.parametrize("module", ["replies", "metrics.similarity", "prompts", "engines.openai"])
def test_doctests(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"app.evaluation.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
