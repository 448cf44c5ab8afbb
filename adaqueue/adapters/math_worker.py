"""A process that compares two answers at a time until it is told no more, or killed.

It is started by `math_pool`, without the package's own `__init__`, which would load the whole client.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
from typing import Any

from adaqueue.adapters.math_compare import Comparison
from adaqueue.adapters.math_form import read
from adaqueue.adapters.math_second import load
from adaqueue.adapters.math_symbolic import Symbolic
from adaqueue.adapters.sandbox import frames, kernel

MAX_MESSAGE_BYTES = 1 << 16
_UNDECIDED = json.dumps({"equal": None, "guarded": False}).encode()


def main(parent: int, memory_bytes: int) -> None:
    """Serves requests at standard input, which is a stream socket, until its other end is closed."""
    kernel.die_with_parent()
    if os.getppid() != parent:
        sys.exit(0)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = socket.socket(fileno=0)
    # what most pairs need is there at once, the large library a second later
    loading = threading.Thread(target=load, daemon=True)
    loading.start()
    frames.send(connection, b"ready")
    while True:
        try:
            request = frames.receive(connection, MAX_MESSAGE_BYTES)
        except ConnectionError:
            return
        pair = json.loads(request)
        if pair["needs_library"]:
            loading.join(pair["patience"])
        loaded = not (pair["needs_library"] and loading.is_alive())
        frames.send(connection, compared(pair["reference"], pair["answer"]) if loaded else _UNDECIDED)


def compared(reference: str, answer: str) -> bytes:
    """Returns whether two answers are equal, as JSON."""
    arithmetic = Symbolic()
    said: dict[str, Any] = {"equal": None}
    try:
        said["equal"] = Comparison(arithmetic).equal(read(reference), read(answer))
    except (MemoryError, RecursionError):
        said["equal"] = None
    return json.dumps({**said, "guarded": arithmetic.guarded}).encode()
