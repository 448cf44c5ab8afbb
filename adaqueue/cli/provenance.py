"""Where figures come from: the file, its digest, the command, and versions."""

from __future__ import annotations

import hashlib
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

DISTRIBUTIONS = ("adaqueue", "numpy", "scipy", "scikit-learn")


def source(path: str) -> dict[str, Any]:
    """Returns a file's path, SHA-256 digest and size; stdin, read only once, has its name alone."""
    if not Path(path).is_file():
        return {"file": path, "sha256": None, "bytes": None}
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path, "sha256": digest, "bytes": Path(path).stat().st_size}


def versions() -> dict[str, str]:
    """Returns the versions of what computes figures."""
    return {"python": python_version(), **{name: version(name) for name in DISTRIBUTIONS}}


def command_line() -> str:
    """Returns the command as a shell takes it."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
