"""Messages on a stream socket: four bytes of length, then so many bytes."""

from __future__ import annotations

import socket
import struct
import time

_LENGTH = struct.Struct(">I")


class TooLargeError(Exception):
    """The other side announces more bytes than it may send."""


def send(connection: socket.socket, data: bytes) -> None:
    """Sends one message."""
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, limit_bytes: int, deadline: float | None = None) -> bytes:
    """Returns the next message.

    Args:
        connection: a stream socket.
        limit_bytes: a longer message is not read.
        deadline: on the monotonic clock; None waits for ever.

    Raises:
        TooLargeError: it is longer than the limit.
        TimeoutError: it was not there in time.
        ConnectionError: the other side closed.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, deadline))
    if length > limit_bytes:
        raise TooLargeError(f"{length} bytes, the limit is {limit_bytes}")
    return _exactly(connection, length, deadline)


def _exactly(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        if deadline is not None:
            # one recv returns whatever is there: a sender that dribbles cannot extend the deadline
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        piece = connection.recv(min(size - len(data), 1 << 16))
        if not piece:
            raise ConnectionResetError("the other side closed the connection")
        data += piece
    return bytes(data)
