"""The population's prior, fitted on the newest outcomes as they come."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import verdicts
from adaqueue.core.prior import fit_prior
from adaqueue.core.specs import Sampling

MOST_QUERIES = 512
REFRESH_SECONDS = 10.0


class FittedPrior:
    """Says what is believed of a domain's queries where no probe does.

    Args:
        database: the ledger's Postgres.
        sampling: how samples are drawn now.
        prior: alpha and beta before anything was drawn.
        clock: seconds that never run back.
    """

    def __init__(
        self,
        database: Database,
        sampling: Sampling,
        prior: tuple[float, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._sampling = sampling
        self._prior = prior
        self._clock = clock
        self._fitted: dict[str, tuple[float, tuple[float, float]]] = {}

    def __call__(self, domain: str) -> tuple[float, float]:
        """Returns (alpha, beta), at most some seconds old."""
        at, fitted = self._fitted.get(domain, (-REFRESH_SECONDS, self._prior))
        if self._clock() - at >= REFRESH_SECONDS:
            fitted = self._fit(domain)
            self._fitted[domain] = (self._clock(), fitted)
        return fitted

    def _fit(self, domain: str) -> tuple[float, float]:
        with self._database.begin() as conn:
            counts = verdicts.newest_counts(conn, self._sampling, domain, MOST_QUERIES)
        table = np.array(counts, dtype=np.int64).reshape(-1, 2)
        return fit_prior(table[:, 0], table[:, 1], self._prior)
