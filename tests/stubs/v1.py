"""A server that speaks what `solo chat` and `solo cache` ask for: /v1/chat/completions as server-sent events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("Paris", " is", " the", " capital.")
END: dict[str, Any] = {
    "finish": "stop", "prompt_tokens": 131, "cached_tokens": 120, "completion_tokens": 4, "prefill_s": 0.01,
    "decode_s": 0.04, "waited_s": 0.0, "engine": "fake tiny", "model": "tiny", "role": "dialog", "fallback": "",
    "from_cache": False, "receipt": {"system": 9, "history": 0, "question": 9, "template": 4, "dropped_messages": 0,
    "cached": 120},
}  # fmt: skip
HEALTH = {"status": "ok", "models": [{"name": "tiny", "context": 2048}]}


@dataclass
class Stub:
    """`words` are said one after the other; before the one at `hold` the server waits until it is let go on."""

    port: int = 0
    words: tuple[str, ...] = WORDS
    end: dict[str, Any] | None = field(default_factory=lambda: dict(END))
    error: tuple[int, dict[str, Any]] | None = None
    """Status and body, instead of an answer."""
    breaks: dict[str, Any] | None = None
    """An error in the middle: behind the words."""
    hold: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    """An asker has closed its socket in the middle."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    cache: dict[str, Any] = field(default_factory=dict)


@contextmanager
def v1() -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stub.requests.append(("POST", self.path))
            stub.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            if stub.error is not None:
                self._json(*stub.error)
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                self._answer()
            except OSError:
                stub.left.set()

        def do_GET(self) -> None:
            stub.requests.append(("GET", self.path))
            self._json(200, HEALTH if self.path == "/api/llm/health" else stub.cache)

        def do_DELETE(self) -> None:
            stub.requests.append(("DELETE", self.path))
            self._json(200, {"forgotten": 3})

        def _answer(self) -> None:
            self._say({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
            self.wfile.write(b": still here\n\n")
            for number, word in enumerate(stub.words):
                if number == stub.hold:
                    stub.held.set()
                    while not stub.go.wait(0.01):
                        self.wfile.write(b": still here\n\n")
                self._say({"choices": [{"index": 0, "delta": {"content": word}}]})
            if stub.breaks is not None:
                self._say({"error": stub.breaks})
                return
            self._say({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            last = {"choices": [], "usage": {"prompt_tokens": 131, "completion_tokens": 4}}
            self._say(last if stub.end is None else {**last, "solo": stub.end})
            self.wfile.write(b"data: [DONE]\n\n")

        def _say(self, chunk: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()

        def _json(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """An asker that leaves early is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield stub
    finally:
        stub.go.set()
        server.shutdown()
        thread.join()
        server.server_close()
