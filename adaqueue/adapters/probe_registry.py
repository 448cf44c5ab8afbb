"""Which probe is in use: rows in the ledger, weights as safetensors in the data folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import probes
from adaqueue.core.specs import FeatureSpec, Sampling


class ProbeModel(Protocol):
    """A probe without its papers."""

    def predict(self, states: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns (alpha, beta), float64[n, 2], of hidden states float32[n, size]."""
        ...


@dataclass(frozen=True, slots=True)
class RegisteredProbe:
    """A probe with what it may be used for.

    Attributes:
        id: internal key.
        name: as allocations name it.
        features_fingerprint: of the features that it reads.
        sampling_fingerprint: of the sampling whose outcomes it was trained on.
        model: the probe itself.
    """

    id: UUID
    name: str
    features_fingerprint: str
    sampling_fingerprint: str
    model: ProbeModel

    def fits(self, spec: FeatureSpec, sampling: Sampling) -> bool:
        """Whether the probe may be used for these features and this sampling."""
        ours = (self.features_fingerprint, self.sampling_fingerprint)
        return ours == (spec.fingerprint(), sampling.fingerprint())


class ProbeRegistry:
    """Registers, promotes and loads probes.

    Args:
        database: the ledger's Postgres.
        data_folder: weights lie in its `probes` folder.
        load: reads weights from a file, given the digest that they must have.
    """

    def __init__(
        self, database: Database, data_folder: Path, load: Callable[[Path, str], ProbeModel]
    ) -> None:
        self._database = database
        self._folder = data_folder / "probes"
        self._load = load
        self._loaded: RegisteredProbe | None = None

    def promote_new(
        self, weights: bytes, domain: str, spec: FeatureSpec, sampling: Sampling, metrics: Mapping[str, Any]
    ) -> str:
        """Registers a probe, puts it into use, and returns its name."""
        key = uuid7()
        name = f"{domain}-{key.hex[-12:]}"
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}.safetensors"
        _write_whole(path, weights)
        row = {
            "id": key,
            "name": name,
            "decoder": spec.model,
            "domain": domain,
            "features_fingerprint": spec.fingerprint(),
            "sampling_fingerprint": sampling.fingerprint(),
            "spec": {"features": asdict(spec), "sampling": asdict(sampling), "head": "beta"},
            "metrics": dict(metrics),
            "uri": path.name,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        with self._database.begin() as conn:
            probes.register(conn, row)
            probes.promote(conn, key)
        return name

    def champion(self, decoder: str, domain: str) -> RegisteredProbe | None:
        """Returns the probe in use for a decoder and a domain; None if there is none.

        Raises:
            FingerprintError: its weights are missing or are not those registered.
        """
        with self._database.begin() as conn:
            row = probes.champion(conn, decoder, domain)
        if row is None:
            return None
        if self._loaded is None or self._loaded.id != row.id:
            self._loaded = RegisteredProbe(
                id=row.id,
                name=row.name,
                features_fingerprint=row.features_fingerprint,
                sampling_fingerprint=row.sampling_fingerprint,
                model=self._load(self._folder / row.uri, row.sha256),
            )
        return self._loaded


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file that takes its name only when it is whole and on the disk."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
