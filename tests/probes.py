"""Small probes for tests: fitted in a moment on made-up queries."""

from __future__ import annotations

from functools import cache

import numpy as np

from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitting import fit_probe
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.papers import Papers
from adaqueue.core.rule import Rule
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.ports import Probe

SIZE = 5
SPEC = FeatureSpec("m", "r", -1, "last", True, "t", SIZE)
SAMPLING = Sampling("m", 0.7, 8)
RULE = Rule(0.1, 0.7, (1.0, 4.0), ((0.1, 1.0, -0.5, -0.2, 0.05, 0.01), (-0.2, 0.5, -0.75, -0.1, -0.05, 0.0)))


def made_up(n: int, size: int = SIZE, seed: int = 0, samples: int = 4) -> Outcomes:
    """Queries whose first feature says how hard they are."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(n, size)).astype(np.float32)
    chance = 1 / (1 + np.exp(-2 * states[:, 0]))
    rewards = (rng.random((n, samples)) < chance[:, None]).astype(float)
    return Outcomes(
        tuple(f"q{seed}-{place}" for place in range(n)),
        tuple(({"role": "user", "content": f"query {seed} {place}"},) for place in range(n)),
        states,
        tuple(tuple(row) for row in rewards.tolist()),
        np.zeros(n, dtype=np.bool_),
        np.arange(n),
        np.full(n, np.nan),
    )


@cache
def small_probe(size: int = SIZE, seed: int = 0, head: str = "beta") -> Probe:
    """A probe of so many features."""
    return fit_probe(head, made_up(60, size, seed), seed)


def put_into_use(
    registry: ProbeRegistry,
    probe: Probe,
    domain: str = "math",
    rule: Rule | None = None,
    spec: FeatureSpec | None = SPEC,
    sampling: Sampling = SAMPLING,
) -> str:
    """Registers and promotes a probe; returns its name."""
    name = registry.register(probe, rule, Papers.of(domain, spec, sampling), {"loss": 0.5}, {"queries": 60})
    registry.promote(name, "a test says so")
    return name
