"""A real HTTP server on 127.0.0.1 that speaks chat completions, and misbehaves on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-8d1f-very-secret"


def completion(content: str | None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": more.pop("refusal", None)}
    ended = more.pop("finish_reason", "stop")
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": "served-model-2026-01",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": message, "finish_reason": ended}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
        **more,
    }


@dataclass
class Response:
    """One HTTP response.

    cut: send only so many bytes of the body. hang: send nothing until the test ends. gate: what is waited for
    before anything is sent.
    """

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    hang: bool = False
    gate: threading.Barrier | None = None


def says(content: str | None, **more: Any) -> Response:
    return Response(body=json.dumps(completion(content, **more)))


def fails(status: int, message: str = "try later", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps({"error": {"message": message}}), named)


class ChatServer:
    """Gives its `script` of responses in order, then what `default` makes of the request."""

    def __init__(self) -> None:
        self.script: list[Response] = []
        self.default: Callable[[dict[str, Any]], Response] = lambda body: says('{"answer": "yes"}')
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.most_at_once = 0
        self.gate: threading.Barrier | None = None
        self._at_once = 0
        self._lock = threading.Lock()
        self.released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def respond(self, body: dict[str, Any], authorization: str | None) -> Response:
        with self._lock:
            self.requests.append(body)
            self.authorizations.append(authorization)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            response = self.script.pop(0) if self.script else None
        gate = response.gate if response and response.gate else self.gate
        if gate is not None:
            gate.wait(timeout=30)
        return response or self.default(body)

    def done(self) -> None:
        with self._lock:
            self._at_once -= 1

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    self._send(server.respond(body, self.headers.get("Authorization")))
                finally:
                    server.done()

            def _send(self, response: Response) -> None:
                if response.hang:
                    server.released.wait(timeout=60)
                    self.close_connection = True
                    return
                data = response.body.encode()
                self.send_response(response.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data[: response.cut])
                if response.cut is not None:
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        return Handler
