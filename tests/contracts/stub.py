"""A server of the OpenAI kind that does as a test says; for faults that a real one shows too seldom."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from uuid import UUID

from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.adapters.vllm_engine import VllmEngine
from adaqueue.core.records import Sample, Unit
from adaqueue.core.specs import Sampling
from adaqueue.demo.queries import model_path
from tests.models import ask

Body = dict[str, Any]


@dataclass
class Stub:
    """A server and what it saw.

    Attributes:
        reply: body to (status, content); raises ConnectionError to break the connection.
        healthy: what `/health` says.
        metrics: what `/metrics` says.
        models: what `/v1/models` says; None where there is no such thing.
        asked: bodies, in the order of their arrival.
        keys: what each request brought as its authorization.
        most_in_flight: samples that were asked for at a time, at most.
        port: where it listens.
        in_flight: samples that are asked for now.
    """

    reply: Callable[[Body], tuple[int, Any]]
    healthy: Callable[[], bool] = lambda: True
    metrics: Callable[[], str] = lambda: ""
    models: Any = None
    asked: list[Body] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    most_in_flight: int = 0
    port: int = 0
    lock: Lock = field(default_factory=Lock)
    in_flight: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def enter(self, body: Body) -> None:
        with self.lock:
            self.asked.append(body)
            self.in_flight += body.get("n", 1)
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def leave(self, body: Body) -> None:
        with self.lock:
            self.in_flight -= body.get("n", 1)


def drawn(body: Body, **changes: Any) -> tuple[int, Any]:
    """Returns a good response: each sample says its own seed, in three tokens."""
    choices = [
        {"index": index, "text": str(body["seed"] + index), "finish_reason": "stop"}
        for index in range(body["n"])
    ]
    usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": 3 * body["n"]}
    return 200, {"choices": choices[::-1], "usage": usage} | changes


@cache
def prompts() -> PromptEncoder:
    return PromptEncoder(str(model_path()), "m")


def engine_at(url: str, in_flight: int = 8, temperature: float = 0.7, **given: Any) -> VllmEngine:
    """Returns an engine whose server is a stub."""
    return VllmEngine(url, prompts(), Sampling("m", temperature, 8), in_flight=in_flight, **given)


def units(query: int, *numbers: int) -> list[Unit]:
    """Returns units whose seeds say query and number, with a prompt of the query's own."""
    return [Unit(UUID(int=query), n, 1_000 * query + n, ask(str(query)), None) for n in numbers]


def query_of(body: Body) -> int:
    return int(body["seed"]) // 1_000


def queries(samples: Sequence[Sample]) -> set[int]:
    return {sample.query_id.int for sample in samples}


@contextmanager
def serve(stub: Stub, port: int = 0) -> Iterator[Stub]:
    """Serves until the block ends."""
    server = _Server(("127.0.0.1", port), _handler(stub))
    stub.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what some tests want."""


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            stub.keys.append(self.headers["Authorization"])
            if self.path == "/metrics":
                self.answer(200, stub.metrics().encode())
            elif self.path == "/v1/models":
                self.answer(404 if stub.models is None else 200, json.dumps(stub.models).encode())
            else:
                self.answer(200 if stub.healthy() else 503, b"")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.keys.append(self.headers["Authorization"])
            stub.enter(body)
            try:
                status, content = stub.reply(body)
            except ConnectionError:
                self.close_connection = True
                return
            finally:
                stub.leave(body)
            self.answer(status, json.dumps(content).encode())

        def answer(self, status: int, payload: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            """Tests read what they want from the stub."""

    return Handler
