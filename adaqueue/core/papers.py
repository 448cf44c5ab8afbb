"""What a probe may be used for, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from adaqueue.core.specs import FeatureSpec, Sampling, differences, digest
from adaqueue.errors import FingerprintError

OF_BASE = ("model", "revision", "dtype", "template", "most_tokens", "cut")
"""What the features of an adapted model share with those of its base."""

TEXT = "text"
"""In the place of a fingerprint of features where a probe reads prompts alone."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What a probe reads, and whose outcomes it was trained on.

    Attributes:
        domain: of its queries.
        features: specification of the hidden states that it reads, as plain data; None: it reads prompts.
        sampling: how the samples were drawn that it was trained on, as plain data.
    """

    domain: str
    features: Mapping[str, Any] | None
    sampling: Mapping[str, Any]

    @classmethod
    def of(cls, domain: str, features: FeatureSpec | None, sampling: Sampling) -> Papers:
        """Returns the papers of a probe that is trained now."""
        return cls(domain, None if features is None else asdict(features), asdict(sampling))

    @classmethod
    def from_data(cls, domain: str, data: Mapping[str, Any]) -> Papers:
        """Returns the papers that `to_data` wrote.

        Raises:
            FingerprintError: something is missing.
        """
        try:
            return cls(domain, data["features"], data["sampling"])
        except KeyError as error:
            raise FingerprintError(f"the probe's papers lack {error}") from None

    def to_data(self) -> dict[str, Any]:
        """Returns them as plain data that JSON can hold."""
        return {"features": self.features, "sampling": self.sampling}

    @property
    def decoder(self) -> str:
        """Name of the model whose samples it predicts."""
        return str(self.sampling["model"])

    @property
    def features_fingerprint(self) -> str:
        """Of the features that it reads; `text` where it reads prompts."""
        return TEXT if self.features is None else digest(self.features)

    @property
    def sampling_fingerprint(self) -> str:
        """Of the sampling whose outcomes it was trained on."""
        return digest(self.sampling)

    def refusal_on_base(self, base: Papers) -> str:
        """Returns why the probe may not be used where the base model is at hand; empty if it may.

        A LoRA probe reads states of its own, of the last layer and token, whatever others read.

        Args:
            base: papers of probes that read the base model's features.
        """
        if self.features is None or base.features is None or not self.features.get("adapter"):
            return self.refusal(base.features, base.sampling)
        ours, theirs = ({name: of.get(name) for name in OF_BASE} for of in (self.features, base.features))
        return Papers(self.domain, ours, self.sampling).refusal(theirs, base.sampling)

    def refusal(self, features: Mapping[str, Any] | None, sampling: Mapping[str, Any]) -> str:
        """Returns why the probe may not be used for these features and this sampling; empty if it may.

        Args:
            features: specification of the features at hand; None where there are none.
            sampling: how the engine draws now.
        """
        other_sampling = differences(self.sampling, sampling)
        if other_sampling:
            return f"it was trained for another sampling: {other_sampling}"
        if self.features is None:
            return ""
        if features is None:
            return "it reads hidden states, and there are none"
        other_features = differences(self.features, features)
        return f"it reads other features: {other_features}" if other_features else ""


PLAIN = ("name", "decoder", "domain", "state", "created_at", "parent", "metrics", "data", "sha256", "url")


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """What the registry says of a probe.

    Attributes:
        name: as allocations name it.
        decoder: whose samples it predicts.
        domain: of its queries.
        head: what was trained.
        state: champion (in use), challenger (never was) or retired (was).
        created_at: when it was registered.
        parent: name of the probe in use then; None if there was none.
        papers: what it may be used for.
        metrics: its quality, as it was measured.
        data: which outcomes it was trained on.
        sha256: digest of its weights.
        url: where they lie; None: in the ledger.
        used: when and why it was put into use, oldest first.
    """

    name: str
    decoder: str
    domain: str
    head: str
    state: str
    created_at: datetime
    parent: str | None
    papers: Papers
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    sha256: str
    url: str | None
    used: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any], used: Sequence[tuple[str, str]]) -> ProbeRecord:
        """Returns the record in a row of the ledger."""
        papers = Papers.from_data(row["domain"], row["spec"])
        return cls(
            **{name: row[name] for name in PLAIN},
            head=str(row["spec"].get("head", "beta")),
            papers=papers,
            used=tuple(used),
        )
