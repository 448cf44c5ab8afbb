"""Which probe is in use: rows in the ledger, weights included, so that machines share nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import probes
from adaqueue.core.rule import Rule
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.errors import FingerprintError


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
        rule: turns its scores into hazard curves; None: its Beta gives them.
    """

    id: UUID
    name: str
    features_fingerprint: str
    sampling_fingerprint: str
    model: ProbeModel
    rule: Rule | None

    def fits(self, spec: FeatureSpec, sampling: Sampling) -> bool:
        """Whether the probe may be used for these features and this sampling."""
        ours = (self.features_fingerprint, self.sampling_fingerprint)
        return ours == (spec.fingerprint(), sampling.fingerprint())


class ProbeRegistry:
    """Registers, promotes and loads probes.

    Args:
        database: the ledger's Postgres.
        load: reads weights, given the digest that they must have.
    """

    def __init__(self, database: Database, load: Callable[[bytes, str], ProbeModel]) -> None:
        self._database = database
        self._load = load
        self._loaded: dict[tuple[str, str], RegisteredProbe] = {}

    def promote_new(
        self,
        weights: bytes,
        rule: Rule | None,
        domain: str,
        spec: FeatureSpec,
        sampling: Sampling,
        metrics: Mapping[str, Any],
    ) -> str:
        """Registers a probe, puts it into use, and returns its name."""
        key = uuid7()
        name = f"{domain}-{key.hex[-12:]}"
        row = {
            "id": key,
            "name": name,
            "decoder": spec.model,
            "domain": domain,
            "features_fingerprint": spec.fingerprint(),
            "sampling_fingerprint": sampling.fingerprint(),
            "spec": {
                "features": asdict(spec),
                "sampling": asdict(sampling),
                "head": "beta",
                "rule": rule.to_data() if rule else None,
            },
            "metrics": dict(metrics),
            "weights": weights,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        with self._database.begin() as conn:
            probes.register(conn, row)
            probes.promote(conn, key)
        return name

    def rule(self, decoder: str, domain: str) -> Rule | None:
        """Returns the rule of the probe in use; None if there is no probe, or it has no rule.

        Raises:
            FingerprintError: it cannot be read.
        """
        with self._database.begin() as conn:
            key = probes.champion(conn, decoder, domain)
            return None if key is None else _rule(probes.whole(conn, key).spec.get("rule"))

    def champion(self, decoder: str, domain: str) -> RegisteredProbe | None:
        """Returns the probe in use for a decoder and a domain; None if there is none.

        Raises:
            FingerprintError: its weights are not those registered, or its rule is none.
        """
        with self._database.begin() as conn:
            key = probes.champion(conn, decoder, domain)
            known = self._loaded.get((decoder, domain))
            if key is None or (known is not None and known.id == key):
                return None if key is None else known
            row = probes.whole(conn, key)
        found = RegisteredProbe(
            id=row.id,
            name=row.name,
            features_fingerprint=row.features_fingerprint,
            sampling_fingerprint=row.sampling_fingerprint,
            model=self._load(row.weights, row.sha256),
            rule=_rule(row.spec.get("rule")),
        )
        self._loaded[decoder, domain] = found
        return found


def _rule(data: Any) -> Rule | None:
    try:
        return None if data is None else Rule.from_data(data)
    except ValueError as error:
        raise FingerprintError(f"the probe's rule cannot be read: {error}") from error
