"""Step 7 of a query's life: outcomes become a probe, with the rule that orders buying by its scores."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.marginal import IntArray
from adaqueue.core.metrics import predictor_quality
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.rule import Rule, fit_rule
from adaqueue.core.trial import drift, first_draws
from adaqueue.ports import Probe

log = logging.getLogger(__name__)

LONGEST_CURVE = 128
"""Draws of a query that a rule looks at."""


class FreshProbe(Probe, Protocol):
    """A probe as training leaves it.

    Attributes:
        held_out: beliefs of training queries, each from a model that was not trained on it.
        held_out_rows: their rows among the training outcomes.
    """

    @property
    def held_out(self) -> Beliefs | None:
        """None of a probe that was read back."""
        ...

    @property
    def held_out_rows(self) -> IntArray | None:
        """None of a probe that was read back."""
        ...


Fit = Callable[[str, Outcomes, int], FreshProbe]
"""Head, outcomes, seed to a probe."""


@dataclass(frozen=True)
class Trained:
    """A new probe.

    Attributes:
        probe: reads states or prompts.
        rule: orders sequential buying by its scores.
        metrics: what it says of training queries by models that were not trained on them: `log_likelihood`,
            in nats a query; `error`, calibration on first draws; and, where no success stopped the drawing,
            the losses of `predictor_quality`. Not a number is None.
    """

    probe: Probe
    rule: Rule
    metrics: dict[str, float | None]


def train(head: str, outcomes: Outcomes, fit: Fit, seed: int = 0) -> Trained:
    """Returns a probe of this head, trained on outcomes.

    Args:
        head: what to train.
        outcomes: of one decoder, domain and sampling.
        fit: see `Fit`.
        seed: of everything random.

    Raises:
        BadOutcomesError: as the head refuses them.
    """
    drawn = outcomes.take(np.flatnonzero(outcomes.samples > 0))
    probe = fit(head, drawn, seed)
    beliefs, rows = probe.held_out, probe.held_out_rows
    if beliefs is None or rows is None:
        raise ValueError(f"the head {head!r} says nothing of its training queries")
    told = drawn.take(rows)
    width = min(int(told.samples.max()), LONGEST_CURVE)
    rule = fit_rule(beliefs.score, told.survival(width), seed)
    metrics = {**_metrics(beliefs, told), "queries": float(len(drawn))}
    log.info("%s probe trained on %d queries: %s", head, len(drawn), metrics)
    return Trained(probe, rule, metrics)


def _metrics(beliefs: Beliefs, drawn: Outcomes) -> dict[str, float | None]:
    likelihood = beliefs.log_likelihood(drawn.successes, drawn.samples)
    found = {
        "log_likelihood": float(likelihood.mean()),
        "error": drift(beliefs.success, first_draws(drawn)).error,
    }
    if not drawn.stopped.any():
        quality = asdict(predictor_quality(beliefs.success, drawn.successes, drawn.samples))
        found |= {name: float(value) for name, value in quality.items()}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
