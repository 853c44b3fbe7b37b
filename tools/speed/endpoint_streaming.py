"""Measures how long questions to an endpoint take, against a stand-in server that answers after a second.

    python -m tools.speed.endpoint_streaming --questions 640 --concurrency 64

It prints the seconds for streaming, and what the fewest possible are: questions / concurrency x delay.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from vtok_eval.benchmark import Outcome, Sample

if TYPE_CHECKING:
    from vtok_eval.data import Clip, Clips


@dataclass(frozen=True)
class GreyClip:
    """Eight grey frames of 224 pixels, each clip another level."""

    number: int

    @property
    def key(self) -> str:
        """As `ClipSource.key`."""
        return f"grey/{self.number}"

    def load(self) -> Clip:
        """As `ClipSource.load`."""
        import torch

        from vtok_eval.data import Clip

        return Clip(torch.full((8, 3, 224, 224), self.number % 256, dtype=torch.uint8), fps=4.0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def stand_in_server(delay_s: float) -> Iterator[str]:
    """A chat-completions server on this machine that answers "A" after `delay_s`; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer one request."""
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(delay_s)
            message = {"role": "assistant", "content": '{"answer": "A"}'}
            body = {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "stand-in",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def measure(*, questions: int, concurrency: int, delay_s: float) -> dict[str, float]:
    """Seconds that `questions` take, CPU seconds (the server's too), and the fewest seconds possible."""
    import torch

    from vtok_eval.answerers.endpoint import EndpointAnswerer
    from vtok_eval.answerers.shown_frames import FrameRule
    from vtok_eval.endpoint.client import EndpointClient
    from vtok_eval.endpoint.settings import EndpointSettings
    from vtok_eval.run.runners.runner import Runner

    samples = [Sample(id=str(i), cluster=str(i), clip=GreyClip(i)) for i in range(questions)]
    with stand_in_server(delay_s) as url:
        settings = EndpointSettings(url=url, model="stand-in", concurrency=concurrency)
        answerer = EndpointAnswerer(EndpointClient(settings, None), rule=FrameRule(count=8))

        def ask(batch: Sequence[Sample], clips: Clips | None) -> Sequence[Outcome]:
            from vtok_eval.data import Clip

            assert clips is not None  # every sample has a clip
            answer = answerer.answer(Clip(clips.frames[0], 4.0), f"Question {batch[0].id}?", ["one", "two"])
            return [Outcome(outputs={"answer": answer})]

        runner = Runner(torch.device("cpu"))
        started, cpu = time.perf_counter(), time.process_time()
        threads = answerer.concurrency
        results = list(runner.stream(samples, ask, concurrency=threads, description="questions"))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    right = sum(isinstance(found, Outcome) and found.outputs["answer"] == "A" for _, found in results)
    return {
        "questions": questions,
        "concurrency": concurrency,
        "delay_s": delay_s,
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu, 2),
        "fewest_possible_s": round(questions / concurrency * delay_s, 2),
        "answered": right,
    }


def main() -> None:
    """Read the options, measure, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--questions", type=int, default=640)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds until the server answers")
    given = parser.parse_args()
    found = measure(questions=given.questions, concurrency=given.concurrency, delay_s=given.delay)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
