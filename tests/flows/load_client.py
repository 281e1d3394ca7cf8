"""Some clients in a process of their own: `python -m tests.flows.load_client ADDRESS SLUG SECONDS STOP_AFTER`.

Reads one token a line, works a thread per token until nothing has come for SECONDS, then prints how often each status
was answered, as JSON. With STOP_AFTER > 0 every client claims all it may after so many judgments and sits on it; the
process then says "holding" and waits to be killed.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit


class Client:
    def __init__(self, address: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.statuses: Counter[int] = Counter()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, f"/api/v1{path}", content, self._headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._connection.close()  # idle for longer than the server keeps it
            self._connection.request(method, f"/api/v1{path}", content, self._headers)
            response = self._connection.getresponse()
        data = response.read()
        self.statuses[response.status] += 1
        return response.status, json.loads(data) if data else None


def body_for(claim: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    answers = {}
    for question in claim["questions"]:
        answer = rng.choices(["yes", "no", "unsure"], [80, 15, 5])[0]
        answers[question["key"]] = {
            "answer": answer,
            "reasons": [question["reasons"][0]["code"]] if answer == "no" else [],
        }
    return {"answers": answers, "active_ms": rng.randint(1000, 9000)}


def work(client: Client, slug: str, idle_seconds: float, stop_after: int, seed: str) -> None:
    rng = random.Random(seed)
    judged = 0
    last_work = time.monotonic()
    while time.monotonic() - last_work < idle_seconds:
        if 0 < stop_after <= judged:
            client.send("POST", f"/campaigns/{slug}/claims", {"count": 10})
            return
        _, reply = client.send("POST", f"/campaigns/{slug}/claims", {"count": rng.randint(1, 10)})
        if not reply["claims"]:
            time.sleep(0.2)
            continue
        last_work = time.monotonic()
        for claim in reply["claims"]:
            path = f"/claims/{claim['id']}"
            if rng.random() < 0.05:
                client.send("DELETE", path)
                continue
            if rng.random() < 0.05:
                client.send("POST", f"{path}/heartbeat")
            body = body_for(claim, rng)
            client.send("PUT", f"{path}/judgment", body)
            if rng.random() < 0.05:
                client.send("PUT", f"{path}/judgment", body)
            judged += 1


def main() -> None:
    address, slug, idle_seconds, stop_after = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    tokens = sys.stdin.read().split()
    clients = [Client(address, token) for token in tokens]
    threads = [
        threading.Thread(target=work, args=(client, slug, idle_seconds, stop_after, token))
        for client, token in zip(clients, tokens, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if stop_after:
        print("holding", flush=True)
        threading.Event().wait()
    print(json.dumps(sum((client.statuses for client in clients), Counter())), flush=True)


if __name__ == "__main__":
    main()
