"""The three splits of the demo's problems; no problem is in two of them."""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "outcomes", "demo"]

_BOUNDS: dict[Split, range] = {"train": range(90), "outcomes": range(90, 95), "demo": range(95, 100)}


def split_of(problem: str) -> Split:
    """The one split of a problem, by the hash of its text; the same on every machine."""
    digest = hashlib.blake2b(problem.encode(), digest_size=8).digest()
    bucket = int.from_bytes(digest, "big") % 100
    return next(split for split, bounds in _BOUNDS.items() if bucket in bounds)
