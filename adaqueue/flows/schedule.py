"""Steps 3 and 4 of a query's life: a window enters, and gets its budgets at once or sample by sample."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
from uuid_utils.compat import uuid7

from adaqueue.core.decisions import Allocation, Entering, Open, Outlook, Prediction, Round, Window
from adaqueue.core.exploration import EXPLORATION, Explored, explore
from adaqueue.core.improvement import expected_improvement, improvement_after
from adaqueue.core.marginal import FloatArray
from adaqueue.core.policy import decide, fair_order
from adaqueue.core.sequential import HAZARDS, Limits, buy, hazards_of, next_index, opening_price, steered
from adaqueue.core.specs import Run
from adaqueue.flows.ingest import ring
from adaqueue.ports import Doorbell, Lease, Predictor, RoundLedger, WindowLedger

log = logging.getLogger(__name__)

LOWEST_PRICE = 1e-9
"""A stream opens at least with it: a price of 0 could never rise."""

MOST_TURNS = 16
"""Accounts that are looked at in a row, before other work of the scheduler gets its turn."""


def schedule_once(
    lease: Lease,
    ledger: WindowLedger,
    predictor: Predictor,
    doorbell: Doorbell,
    window_queries: int,
    exploration_share: float = 0.0,
) -> int:
    """Takes in the window that is due, if this scheduler holds the lease; returns its number of queries.

    Budgets, states and the account commit together; only then is the sampler told, with ids alone.

    Args:
        lease: makes it the only one.
        ledger: where queries wait.
        predictor: says what is believed of them.
        doorbell: tells the samplers.
        window_queries: of a full window.
        exploration_share: of the queries, that get a random budget, see `core.exploration`.

    Returns:
        How many queries came in.

    Raises:
        LeaseLostError: another scheduler took over; nothing was written.
    """
    epoch = lease.acquire()  # before anything is read: what another has decided since must not pass
    window = ledger.next_window() if epoch is not None else None
    if epoch is None or window is None:
        return 0
    predictions = predictor.predict(window.run, window.queries)
    explored = explore(window, exploration_share)
    if window.run.policy in HAZARDS:
        granted = explored_allocations(window, predictions, explored)
        ledger.enter(epoch, window, *enter_window(window, predictions, window_queries), granted)
    else:
        granted = allocate_window(window, predictions, explored)
        ledger.commit(epoch, window, granted)
    log.info(
        "run %s: %d queries, %d samples of %d granted, %d queries explored, predicted by %s",
        window.run.name,
        len(window.queries),
        sum(one.budget for one in granted),
        window.total,
        len(explored),
        ", ".join(sorted({prediction.probe for prediction in predictions})),
    )
    _ring(doorbell, window.run, granted)
    return len(window.queries)


def buy_once(lease: Lease, ledger: RoundLedger, doorbell: Doorbell, waves: int) -> int:
    """Buys the next samples of the first account in turn that has any to buy, if the lease is held.

    Args:
        lease: makes it the only one.
        ledger: where open queries are.
        doorbell: tells the samplers.
        waves: a run's total is drawn in at least so many.

    Returns:
        How many queries draw or end now.

    Raises:
        LeaseLostError: another scheduler took over; nothing was written.
    """
    epoch = lease.acquire()
    seen: set[tuple[UUID, str]] = set()
    while epoch is not None and (due := ledger.next_round()) is not None:
        account = (due.account.run.id, due.account.tenant)
        if account in seen or len(seen) == MOST_TURNS:
            break
        seen.add(account)
        allocations, kept = decide_round(due, waves) if due.queries else ([], [])
        if allocations or kept:
            ledger.commit_round(epoch, due, allocations, kept)
            _ring(doorbell, due.account.run, allocations)
            return len(allocations)
    return 0


def _ring(doorbell: Doorbell, run: Run, granted: Sequence[Allocation]) -> None:
    ring(doorbell, run.engine, [one.id for one in granted if one.budget], gives_way=run.gives_way)


def explored_allocations(
    window: Window, predictions: Sequence[Prediction], explored: Mapping[UUID, Explored]
) -> list[Allocation]:
    """Returns the allocations of random budgets; they look at no reward, so their price is 0."""
    return [
        Allocation(
            id=uuid7(),
            query_id=query.id,
            budget=explored[query.id].budget,
            first_sample=0,
            prediction=prediction,
            price=0.0,
            propensity=explored[query.id].propensity,
            reason="a random budget, so that probes learn from what they would pass over",
            policy=EXPLORATION,
        )
        for query, prediction in zip(window.queries, predictions, strict=True)
        if query.id in explored
    ]


def allocate_window(
    window: Window, predictions: Sequence[Prediction], explored: Mapping[UUID, Explored]
) -> list[Allocation]:
    """Returns one allocation for each query of a window whose policy buys once.

    The total is the account's balance. A query's own minimum is a promise, and so is a random budget: where
    promises exceed the total, the account is overdrawn, and the windows that follow repay it.
    """
    at_random = explored_allocations(window, predictions, explored)
    fixed = {one.query_id: one.budget for one in at_random}
    queries = window.queries
    minimum = np.array([fixed.get(query.id, query.min_budget) for query in queries], dtype=np.int64)
    maximum = np.array([fixed.get(query.id, query.max_budget) for query in queries], dtype=np.int64)
    budgets = decide(
        window.run.policy,
        predictions,
        max(window.total, int(minimum.sum())),
        b_max=window.run.b_max,
        minimum=minimum,
        maximum=maximum,
        order=fair_order([query.external_id for query in queries], seed=window.id.int & 0xFFFFFFFF),
    )
    return at_random + [
        Allocation(uuid7(), query.id, int(units), 0, prediction, float(budgets.price))
        for query, units, prediction in zip(queries, budgets.units, predictions, strict=True)
        if query.id not in explored
    ]


def enter_window(
    window: Window, predictions: Sequence[Prediction], window_queries: int
) -> tuple[list[Entering], tuple[float, float] | None]:
    """Returns the queries as they enter sequential buying, and a stream's (base, price) from now on.

    A batch has no price: it buys the largest index as long as its account lasts.
    """
    hazards = hazards_of(window.run.policy, predictions, window.run.b_max)
    first = next_index(hazards, np.zeros(len(predictions), dtype=np.int64)).tolist()
    entering = [
        Entering(query.id, prediction, float("inf") if query.min_budget else index)
        for query, prediction, index in zip(window.queries, predictions, first, strict=True)
    ]
    if window.run.is_batch:
        return entering, None
    account = window.account
    if account.base_price is None or window.believed:
        account = replace(account, base_price=_opening_price(window, predictions))
    if account.base_price is None:
        return entering, None
    return entering, steered(account, len(entering), window_queries)


def _opening_price(window: Window, predictions: Sequence[Prediction]) -> float | None:
    """Returns the price of a stream at its beginning, from all that came so far.

    None where rewards are real and none is known yet: until then the stream buys, as a batch does, what its
    account allows.
    """
    run = window.run
    if run.average_budget <= 0:
        return math.inf
    if run.policy != "sequential" or window.queries[0].domain != "chat":
        hazards = hazards_of(run.policy, [*window.believed, *predictions], run.b_max)
        return max(opening_price(hazards, run.average_budget), LOWEST_PRICE)
    if window.population is None:
        return None
    return max(improvement_after(window.population, run.average_budget), LOWEST_PRICE)


def decide_round(due: Round, waves: int) -> tuple[list[Allocation], list[Outlook]]:
    """Returns what open queries draw, or end with, now, and how those that do neither stand.

    Args:
        due: the open queries, and what may be spent.
        waves: see `buy`.
    """
    queries, account = due.queries, due.account
    hazards = hazards_of(account.run.policy, [query.prediction for query in queries], account.run.b_max)
    limits = _limits(queries)
    if account.run.policy == "sequential":
        _expect_improvement(due, hazards, limits)
    order = fair_order([query.external_id for query in queries], due.id.int & 0xFFFFFFFF)
    samples = max(min(due.room, int(account.credit)), 0)
    budgets = buy(hazards, limits, samples, price=account.price or 0.0, waves=waves, order=order)
    index = next_index(hazards, limits.drawn)
    price = budgets.price if account.price is None and np.isfinite(budgets.price) else account.price or 0.0
    allocations, kept = [], []
    for query, units, worth in zip(queries, budgets.units.tolist(), index.tolist(), strict=True):
        ends = "" if units else _end(due, query, worth)
        if units or ends:
            said = query.prediction
            allocations.append(
                Allocation(uuid7(), query.id, units, query.drawn, said, price, index=worth, reason=ends)
            )
        elif query.index is None and (due.is_settled or query.rewards is None):
            kept.append(Outlook(query.id, worth))
    return allocations, kept


def _expect_improvement(due: Round, hazards: FloatArray, limits: Limits) -> None:
    """Puts the expected improvement in the place of the next hazard where rewards are real.

    What samples side by side would add is not known there, so a query draws one at a time.
    """
    rows = [(place, *query.rewards) for place, query in enumerate(due.queries) if query.rewards is not None]
    if not rows or due.population is None:
        return
    places, best, mean = (np.array(column) for column in zip(*rows, strict=True))
    drawn = limits.drawn[places]
    hazards[places] = 0.0
    last = np.minimum(drawn, hazards.shape[1] - 1)
    hazards[places, last] = expected_improvement(due.population, drawn, best, mean)
    limits.maximum[places] = np.minimum(limits.maximum[places], drawn + 1)


def _end(due: Round, query: Open, index: float) -> str:
    """Returns why a query that buys nothing now will never buy again; empty if it may."""
    account = due.account
    if query.drawn >= query.max_budget:
        return "its limit is reached"
    if account.price is not None and index < account.price:
        return "its next sample is worth less than the price"
    if not account.run.is_batch and account.credit < 1:
        return "the account is overdrawn"
    if due.is_last and account.credit < 1:
        return "the account is spent"
    return ""


def _limits(queries: Sequence[Open]) -> Limits:
    drawn, minimum, maximum = (
        np.array([getattr(query, name) for query in queries], dtype=np.int64)
        for name in ("drawn", "min_budget", "max_budget")
    )
    return Limits(drawn, minimum, maximum)
