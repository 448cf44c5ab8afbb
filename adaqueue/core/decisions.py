"""What passes between ledger and policies: what is believed of queries, and who draws how many samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from adaqueue.core.improvement import Population
from adaqueue.core.specs import Run


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is believed of a query's success probability before it is sampled.

    Attributes:
        alpha: Beta parameter, > 0.
        beta: Beta parameter, > 0.
        probe: name of the probe, or `prior`.
        reason: why this predictor was used.
        curve: (a, b, c) of the hazards `logit h = a + b l + c l^2`, `l = log(1 + failures)`, as the probe's
            rule gives them, see `core.rule`; None: the hazards are those of the Beta and its zeros.
        zero: share of such queries whose success probability is 0, [0, 1); that of the others is
            Beta(alpha, beta).
        tokens: generated tokens expected of a sample; None where the probe does not say.
    """

    alpha: float
    beta: float
    probe: str
    reason: str
    curve: tuple[float, float, float] | None = None
    zero: float = 0.0
    tokens: float | None = None

    @property
    def success(self) -> float:
        """Mean success probability, in (0, 1)."""
        return (1 - self.zero) * self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query in the ledger that waits for its budget.

    Attributes:
        id: internal key.
        external_id: the user's id.
        domain: as the query says.
        min_budget: samples it gets at least.
        max_budget: samples it gets at most, no more than its run's b_max (replay: than were recorded).
        features: its vectors, float32 bytes, by the fingerprint of their specification; empty if it has none.
        prompt: its text, for probes that read nothing else.
    """

    id: UUID
    external_id: str
    domain: str
    min_budget: int
    max_budget: int
    features: Mapping[str, bytes]
    prompt: str


@dataclass(frozen=True, slots=True)
class Account:
    """What a tenant may spend in a run, as it stands when a decision begins.

    Attributes:
        run: whose queries they are.
        tenant: who pays.
        balance: samples that may still be granted, below 0 after an overdraft; without what is still to be
            added for queries that no window has taken in yet.
        allowance: of one full window, in samples: how far a stream may overdraw.
        base_price: around which a stream's price moves; None before the first window, and in a batch.
        price: below which a stream buys no sample; None as `base_price`.
    """

    run: Run
    tenant: str
    balance: float
    allowance: float
    base_price: float | None = None
    price: float | None = None

    @property
    def credit(self) -> float:
        """Samples that may be bought now: a stream may overdraw by a window's allowance."""
        return self.balance if self.price is None else self.balance + self.allowance


@dataclass(frozen=True, slots=True)
class Window:
    """The queries that enter together; a policy that buys once gives them their budgets together.

    Attributes:
        id: internal key.
        account: whose queries they are.
        queries: oldest first.
        total: whole samples that may be granted now: the balance after this window's allowance, at least 0.
        population: of the run's real rewards so far, where some of the queries are chat.
        believed: of the queries that came before, as long as they are no more than a full window, in a stream
            that buys sequentially: its opening price is theirs too.
    """

    id: UUID
    account: Account
    queries: tuple[Waiting, ...]
    total: int
    population: Population | None = None
    believed: tuple[Prediction, ...] = ()

    @property
    def run(self) -> Run:
        """The run that the queries belong to."""
        return self.account.run


@dataclass(frozen=True, slots=True)
class Entering:
    """A query that enters sequential buying.

    Attributes:
        query_id: which.
        prediction: what is believed of it.
        index: of its first sample.
    """

    query_id: UUID
    prediction: Prediction
    index: float


@dataclass(frozen=True, slots=True)
class Open:
    """A query that may buy its next samples.

    Attributes:
        id: internal key.
        external_id: the user's id.
        prediction: what was believed before its first sample.
        drawn: samples verified so far, all of them failures unless `min_budget` is not reached.
        min_budget: samples it gets at least.
        max_budget: samples it gets at most.
        index: of its next sample, as stored; None where it is still to be computed.
        rewards: (best, mean) of what it drew, where rewards are real, in chat, and something was drawn.
    """

    id: UUID
    external_id: str
    prediction: Prediction
    drawn: int
    min_budget: int
    max_budget: int
    index: float | None
    rewards: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """Open queries of an account, for one decision of who draws next; none where there is no room.

    Attributes:
        id: internal key.
        account: who pays.
        queries: those to compute anew, then the largest index first; not all that are open.
        room: samples that the engine and the account's waves have room for, at least 0.
        is_last: a batch that gets no more queries and has nothing in flight: once its balance is spent, no
            open query can hope for more.
        population: of the run's real rewards, where some of the queries have any.
        is_settled: whether the population is of so many queries that it will change little: until then an
            expected improvement is computed anew each time.
    """

    id: UUID
    account: Account
    queries: tuple[Open, ...]
    room: int
    is_last: bool
    population: Population | None = None
    is_settled: bool = True


@dataclass(frozen=True, slots=True)
class Outlook:
    """An open query that neither draws nor ends now.

    Attributes:
        query_id: which.
        index: of its next sample.
    """

    query_id: UUID
    index: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """A budget for one query, with everything that explains it.

    Attributes:
        id: internal key.
        query_id: whose it is.
        budget: samples granted; 0 ends the query, with the best of what was drawn or with "I don't know".
        first_sample: number of its first sample; numbers of a query never repeat.
        prediction: what was believed before its first sample.
        price: marginal reward that separated bought from unbought units of its window or round.
        propensity: probability with which this budget was chosen; 1 for a deterministic policy.
        index: of its first sample, after the failures so far; None under a policy that buys once.
        reason: why so much, in words; empty: the price alone.
        policy: that decided; None: the run's.
    """

    id: UUID
    query_id: UUID
    budget: int
    first_sample: int
    prediction: Prediction
    price: float
    propensity: float = 1.0
    index: float | None = None
    reason: str = ""
    policy: str | None = None
