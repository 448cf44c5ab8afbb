"""Probes as files: safetensors that name their head, and nothing else passes for one."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from adaqueue.adapters.probes.heads import HEADS
from adaqueue.errors import FingerprintError

FORMAT, VERSION = "adaqueue-probe", "1"
ALIGNMENT = 8


def pack(head: str, tensors: Mapping[str, Tensor]) -> bytes:
    """Returns the tensors as safetensors with the head in the metadata; the same give the same bytes."""
    kept = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    data = save(kept, {"format": FORMAT, "version": VERSION, "head": head})
    # safetensors writes metadata in any order: equal probes are to have equal digests
    header, body = _parts(data)
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text + body


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Returns header and body of sound safetensors."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def unpack(data: bytes, sha256: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Returns metadata and tensors, as `pack` was given them.

    Raises:
        FingerprintError: the data is not what was registered, or is no probe of a known head and version.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise FingerprintError(f"the weights have the digest {found}, registered was {sha256}")
    try:
        tensors = load(data)
        metadata = _parts(data)[0].get("__metadata__", {})
    except SafetensorError as error:
        raise FingerprintError(f"the weights hold no probe: {error}") from error
    given = (metadata.get("format"), metadata.get("version"))
    if given != (FORMAT, VERSION):
        raise FingerprintError(f"the weights hold no probe: format and version are {given}")
    if metadata.get("head") not in HEADS:
        raise FingerprintError(f"the weights hold a probe of an unknown head, {metadata.get('head')!r}")
    return metadata, tensors


def require_shapes(tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuses tensors of other names or shapes.

    Raises:
        FingerprintError: names what is missing, too many, or of another shape.
    """
    if absent := sorted(expected.keys() - tensors.keys()):
        raise FingerprintError(f"the weights hold no probe: tensors are missing: {', '.join(absent)}")
    if foreign := sorted(tensors.keys() - expected.keys()):
        raise FingerprintError(f"the weights hold no probe: foreign tensors: {', '.join(foreign)}")
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise FingerprintError(
                f"the weights hold no probe: {name} has shape {tuple(tensors[name].shape)}, not {shape}"
            )
