"""The client of OpenAI-compatible servers, against one that is scripted."""

import doctest
import importlib
import json
import socket
import time

import pytest

from app.errors import Invalid
from app.evaluation.engines import Question, Reply
from app.evaluation.engines.openai import IN_FLIGHT, OpenAIEngine, UnusableEngine
from tests.evaluation.server import Request, Scripted, Server, answered, completion, refused, serving

QUESTION = Question("What is it?\n", b"\xff\xd8\xff image", "image/jpeg")


def engine_for(server: Server, patience_seconds: float = 20.0) -> OpenAIEngine:
    return OpenAIEngine(
        "tiny", base_url=server.base_url, api_key="sesame", max_tokens=99, seed=5, patience_seconds=patience_seconds
    )


def ask(server: Server, **options: float) -> Reply:
    [reply] = engine_for(server, **options).answer([QUESTION])
    return reply


def test_a_question_carries_image_prompt_decoding_and_key() -> None:
    with serving(lambda request: answered("Pho", "Vietnam")) as server:
        reply = ask(server)
    assert json.loads(reply.text or "") == {"food": "Pho", "country": "Vietnam"}
    assert (reply.input_tokens, reply.output_tokens, reply.error) == (321, 12, None)
    assert reply.latency_ms is not None
    [request] = server.requests
    assert request.prompt == QUESTION.prompt
    assert request.authorization == "Bearer sesame"
    assert request.body["model"] == "tiny"
    assert (request.body["temperature"], request.body["max_tokens"], request.body["seed"]) == (0, 99, 5)


def test_replies_come_in_the_order_of_the_questions() -> None:
    def script(request: Request) -> Scripted:
        time.sleep(0.01 * (len(request.prompt) % 3))
        return completion(request.prompt)

    questions = [QUESTION._replace(prompt="x" * n) for n in range(1, 30)]
    with serving(script) as server:
        assert [reply.text for reply in engine_for(server).answer(questions)] == [one.prompt for one in questions]


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        (completion("cut", "length"), Reply("cut", is_cut=True)),
        (completion(None, "content_filter"), Reply("", is_refused=True)),
        (completion(None, refusal="No."), Reply("", is_refused=True)),
        (Scripted(400, b'{"error": {"message": "m", "code": "content_filter"}}'), Reply(None, is_refused=True)),
        (Scripted(200, b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]}'), Reply("a")),
    ],
)
def test_what_the_engine_says_of_a_reply_is_kept(scripted: Scripted, expected: Reply) -> None:
    with serving(lambda request: scripted) as server:
        assert ask(server)._replace(latency_ms=None, input_tokens=None, output_tokens=None) == expected


def test_no_request_comes_before_retry_after_says_so() -> None:
    """The limit is everybody's: the other questions wait, too, but for those that were on their way already."""

    def script(request: Request) -> Scripted:
        if request.number == 0:
            return refused(429, Retry_After="1")
        time.sleep(0.2)
        return answered("Pho", "Vietnam")

    with serving(script) as server:
        assert all(reply.error is None for reply in engine_for(server).answer([QUESTION] * 30))
    assert len(server.requests) == 31
    after = [request.at - server.requests[0].at for request in server.requests]
    assert sum(seconds < 1 for seconds in after) <= IN_FLIGHT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_costs_no_answer(status: int) -> None:
    with serving(lambda request: refused(status) if request.number == 0 else answered("Pho", "Vietnam")) as server:
        assert ask(server).error is None
    assert len(server.requests) == 2


def test_a_server_that_only_fails_is_given_up() -> None:
    with serving(lambda request: refused(500, "Out of memory")) as server:
        replies = engine_for(server, patience_seconds=0.3).answer([QUESTION] * 20)
    assert all("Out of memory" in (reply.error or "") and reply.text is None for reply in replies)


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    [reply] = OpenAIEngine("m", base_url=address, max_tokens=9, patience_seconds=0).answer([QUESTION])
    assert "127.0.0.1 does not answer" in (reply.error or "")


def test_a_bad_request_is_asked_once() -> None:
    with serving(lambda request: refused(400, "Image too large")) as server:
        assert ask(server).error == "127.0.0.1 answers 400: Image too large."
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_or_model_that_is_refused_ends_the_attempt(status: int) -> None:
    with serving(lambda request: refused(status, "No such model")) as server:
        with pytest.raises(UnusableEngine, match=r"No such model\. Check --base-url") as refusal:
            ask(server)
        assert "sesame" not in str(refusal.value)


def test_a_redirect_does_not_get_the_key() -> None:
    with (
        serving(lambda request: answered("Pho", "Vietnam")) as other,
        serving(lambda request: Scripted(302, b"", {"Location": f"{other.base_url}/chat/completions"})) as server,
    ):
        assert "302" in (ask(server).error or "")
    assert other.requests == []


def test_a_reply_over_a_megabyte_is_not_taken_in() -> None:
    with serving(lambda request: completion("x" * 1_100_000)) as server:
        assert "longer than" in (ask(server).error or "")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"choices": []}', b"[" * 100_000])
def test_a_reply_that_is_no_completion_is_a_failure(body: bytes) -> None:
    with serving(lambda request: Scripted(200, body)) as server:
        assert "no chat completion" in (ask(server, patience_seconds=0).error or "")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "127.0.0.1:8000", "http://me:key@host/v1", "http://h/v1?key=x", "http://h:port/v1",
        "http://[/v1", "http://h/v 1", "http:///v1", "http://h/\n",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="--base-url"):
        OpenAIEngine("m", base_url=url, max_tokens=9)


def test_a_key_that_is_none_is_refused_unseen() -> None:
    with pytest.raises(Invalid, match="OPENAI_API_KEY") as refusal:
        OpenAIEngine("m", api_key="ses\name", max_tokens=9)
    assert "ses" not in str(refusal.value)


@pytest.mark.parametrize("module", ["replies", "similarity", "bootstrap", "metrics", "prompts", "engines.openai"])
def test_doctests(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"app.evaluation.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
