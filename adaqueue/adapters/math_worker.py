"""A process that compares two answers at a time until it is told no more, or killed.

It is started by `math_pool`, without the package's own `__init__`, which would load the whole client.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from typing import Any

from adaqueue.adapters.math_compare import Comparison
from adaqueue.adapters.math_form import read
from adaqueue.adapters.math_second import load
from adaqueue.adapters.math_symbolic import Symbolic
from adaqueue.adapters.sandbox import frames, kernel

MAX_MESSAGE_BYTES = 1 << 16


def main(parent: int, memory_bytes: int) -> None:
    """Serves requests at standard input, which is a stream socket, until its other end is closed."""
    kernel.die_with_parent()
    if os.getppid() != parent:
        sys.exit(0)
    load()
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = socket.socket(fileno=0)
    answer(json.dumps({"reference": r"\sqrt{4}x", "answer": "2x"}).encode())
    frames.send(connection, b"ready")
    while True:
        try:
            request = frames.receive(connection, MAX_MESSAGE_BYTES)
        except ConnectionError:
            return
        frames.send(connection, answer(request))


def answer(request: bytes) -> bytes:
    """Returns whether the two answers of a request are equal, as JSON."""
    pair = json.loads(request)
    arithmetic = Symbolic()
    said: dict[str, Any] = {"equal": None}
    try:
        said["equal"] = Comparison(arithmetic).equal(read(pair["reference"]), read(pair["answer"]))
    except (MemoryError, RecursionError):
        said["equal"] = None
    return json.dumps({**said, "guarded": arithmetic.guarded}).encode()
