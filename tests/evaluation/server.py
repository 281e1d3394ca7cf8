"""An OpenAI-compatible server on this machine that answers as scripted and remembers what it was asked."""

import base64
import hashlib
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple


class Request(NamedTuple):
    number: int
    at: float
    prompt: str
    image_sha256: str
    body: dict[str, Any]
    authorization: str | None
    headers: dict[str, str] = {}  # noqa: RUF012
    at_once: int = 1
    """Requests under way as this one came, itself included."""

    @property
    def question(self) -> tuple[str, str]:
        return self.image_sha256, self.prompt


class Scripted(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012
    send: Callable[[socket.socket], None] | None = None
    """Instead of all this, whatever bytes the script sends itself; the connection ends with it."""


Script = Callable[[Request], Scripted]


def completion(text: str | None, finish: str = "stop", **message: Any) -> Scripted:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 321, "completion_tokens": 12}
    return Scripted(200, json.dumps({"id": "x", "choices": [choice], "usage": usage}).encode())


def answered(food: str, country: str) -> Scripted:
    return completion(json.dumps({"food": food, "country": country}))


def refused(status: int, message: str = "Not now", **headers: str) -> Scripted:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(status, json.dumps({"error": {"message": message}}).encode(), named)


class Server:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.base_url = ""
        self.under_way = 0

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each question came."""
        return Counter(request.question for request in self.requests)


@contextmanager
def serving(
    script: Script, *, keep_alive: bool = False, port: int = 0, certificate: Path | None = None
) -> Iterator[Server]:
    """`certificate`: a PEM file with a key and its certificate; the server then speaks TLS."""
    server = Server(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"
        disable_nagle_algorithm = True  # or a small reply on a kept connection comes 40 ms late

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            parts = {part["type"]: part for part in body["messages"][0]["content"]}
            head, data = parts["image_url"]["image_url"]["url"].split(",", 1)
            assert head.startswith("data:image/")
            digest = hashlib.sha256(base64.b64decode(data)).hexdigest()
            with server.lock:
                number = len(server.requests)
                server.under_way += 1
                request = Request(
                    number, time.monotonic(), parts["text"]["text"], digest, body, self.headers["Authorization"],
                    dict(self.headers), server.under_way,
                )  # fmt: skip
                server.requests.append(request)
            try:
                self.reply(server.script(request) if self.path == "/v1/chat/completions" else refused(404))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # whoever asked was killed, or has had enough
            finally:
                with server.lock:
                    server.under_way -= 1

        def reply(self, scripted: Scripted) -> None:
            status, out, headers, send = scripted
            if send is not None:
                self.close_connection = True
                send(self.connection)
                return
            self.send_response_only(status)  # no Date: that, too, is the script's
            for name, value in {"Content-Length": str(len(out)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *_: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    http.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    server.base_url = f"http{'s' if certificate else ''}://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
