"""Steps 3 and 4 of a query's life: a window of queries gets its budgets."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from uuid_utils.compat import uuid7

from adaqueue.core.policy import decide, fair_order
from adaqueue.core.records import Allocation, Prediction, Window
from adaqueue.flows.ingest import ring
from adaqueue.ports import Doorbell, Predictor, WindowLedger

log = logging.getLogger(__name__)


def schedule_once(ledger: WindowLedger, predictor: Predictor, doorbell: Doorbell) -> int:
    """Decides the window that is due, if this scheduler holds the lease; returns its number of queries.

    Budgets, states and the account commit together; only then is the sampler told, with ids alone.

    Raises:
        LeaseLostError: another scheduler took over; nothing was written.
    """
    window = ledger.next_window()
    epoch = ledger.acquire() if window is not None else None
    if window is None or epoch is None:
        return 0
    predictions = predictor.predict(window.run, window.queries)
    allocations = allocate_window(window, predictions)
    ledger.commit(epoch, window, allocations)
    log.info(
        "run %s: %d queries, %d samples of %d, predicted by %s",
        window.run.name,
        len(window.queries),
        sum(allocation.budget for allocation in allocations),
        window.total,
        ", ".join(sorted({prediction.probe for prediction in predictions})),
    )
    ring(doorbell, window.run.engine, [a.id for a in allocations if a.budget])
    return len(window.queries)


def allocate_window(window: Window, predictions: Sequence[Prediction]) -> list[Allocation]:
    """Returns one allocation for each query of the window.

    The total is the account's balance. A query's own minimum is a promise: where minimums exceed the
    total, the account is overdrawn, and the windows that follow repay it.
    """
    queries = window.queries
    minimum = np.array([query.min_budget for query in queries], dtype=np.int64)
    maximum = np.array([query.max_budget for query in queries], dtype=np.int64)
    budgets = decide(
        window.run.policy,
        np.array([prediction.success for prediction in predictions]),
        max(window.total, int(minimum.sum())),
        b_max=window.run.b_max,
        minimum=minimum,
        maximum=maximum,
        order=fair_order([query.external_id for query in queries], seed=window.id.int & 0xFFFFFFFF),
    )
    return [
        Allocation(uuid7(), query.id, int(units), 0, prediction, float(budgets.price))
        for query, units, prediction in zip(queries, budgets.units, predictions, strict=True)
    ]
