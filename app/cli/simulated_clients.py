"""Simulated annotators' way to the server: its address, one started for the run if need be, and a connection each."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from app.cli.simulation import Given, World, judgment_of
from app.db.embedded import serving_address
from app.errors import Invalid, TerroirError
from app.settings import Settings

TIMEOUT_SECONDS: Final = 60


class ServerTrouble(TerroirError):
    """The server can't be reached, or answers what it should not."""

    status = 502
    type = "server-trouble"


class Annotator:
    """One simulated annotator's connection to the API, kept open between requests."""

    def __init__(self, number: int, address: str, token: str) -> None:
        self.number = number
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        parts = urlsplit(address)
        self._prefix = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        assert parts.hostname is not None
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)

    def claim(self, slug: str, count: int) -> dict[str, Any]:
        """CONTRACT §4's claims: {"claims", "remaining", "reason" if there are none}."""
        _, reply = self._send("POST", f"/campaigns/{quote(slug, safe='')}/claims", {"count": count})
        return reply

    def judge(self, claim: dict[str, Any], world: World) -> Given | None:
        """None when the lease is gone and the item decided without it."""
        body = judgment_of(world, self.number, claim)
        status, reply = self._send("PUT", f"/claims/{claim['id']}/judgment", body, allowed=(409, 410))
        if status in (409, 410):
            return None
        answers = {key: answer["answer"] for key, answer in body["answers"].items()}
        return Given(self.number, claim["item_id"], answers, reply["status"])

    def close(self) -> None:
        self._connection.close()

    def _send(
        self, method: str, path: str, body: dict[str, Any], allowed: tuple[int, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        try:
            try:
                status, data = self._exchange(method, path, body)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server closes connections that were idle for some seconds. Every request may be sent twice.
                self._connection.close()
                status, data = self._exchange(method, path, body)
            reply = json.loads(data)
        except (OSError, http.client.HTTPException) as error:
            raise ServerTrouble(f"The server at {self._address} does not answer ({error}); is it running?") from error
        except ValueError as error:
            raise ServerTrouble(f"The server at {self._address} answers no JSON; is it Terroir?") from error
        if status >= 400 and status not in allowed:
            raise ServerTrouble(f"The server at {self._address} refused ({status}): {reply.get('detail', reply)}")
        return status, reply

    def _exchange(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        self._connection.request(method, f"{self._prefix}/api/v1{path}", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()


@contextmanager
def server_for(settings: Settings, url: str | None) -> Iterator[str]:
    """The address to work at: the one given, that of the server running here, or of one started for the purpose."""
    if url is not None:
        yield _checked(url)
    elif (address := serving_address(settings.home)) is not None:
        yield address
    else:
        with _own_server(settings) as address:
            yield address


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:  # a port that is none
        pass
    raise Invalid(f"“{url}” is no address of a server; write it like http://127.0.0.1:8000.")


@contextmanager
def _own_server(settings: Settings) -> Iterator[str]:
    command = [str(Path(sys.executable).parent / "terroir"), "serve"]
    environment = os.environ | {"TERROIR_PORT": "0", "TERROIR_HOST": "127.0.0.1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        address = serving_address(settings.home)
        if not ready or address is None:
            raise ServerTrouble("The server for this run did not start; the line above says why.")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=40)
