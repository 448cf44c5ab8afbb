"""The whole way of a query over the real inbox and ledger, with small engines of fixed habits."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from uuid import UUID

import redis

from adaqueue.adapters.inbox import CLAIM_AFTER_SECONDS, GROUP, STREAM, RedisInbox
from adaqueue.adapters.ledger.database import Database
from adaqueue.core.decisions import Prediction, Waiting
from adaqueue.core.query import Message, Query
from adaqueue.core.records import Sample, Unit, Verdict, not_verified
from adaqueue.core.specs import FeatureSpec, Run, Sampling
from adaqueue.errors import EngineError, UnavailableError
from adaqueue.flows.audit import Auditor
from adaqueue.flows.draw import VERIFY_QUEUE, draw
from adaqueue.flows.features import featurize
from adaqueue.flows.ingest import ingest_once
from adaqueue.flows.reap import reap_once
from adaqueue.flows.schedule import buy_once, schedule_once
from adaqueue.flows.verify import verify
from tests.flows.crashes import Crash, Fuse, fused
from tests.scene import PRIOR, SAMPLING, Scene

POISON = "poison"
WAVES = 4


class Bell:
    """Remembers what was rung for, each batch as a worker would hear it."""

    def __init__(self, unheard: int = 0) -> None:
        self.rung: list[tuple[str, list[UUID]]] = []
        self._unheard = unheard

    def waiting(self, queue: str) -> int:
        return self._unheard

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        batches = [[key] for key in ids] if alone else [list(ids)]
        self.rung += [(queue, batch) for batch in batches]


class Believer:
    """Believes the same of every query."""

    def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
        return [PRIOR] * len(queries)


class Reader:
    """Features are the prompt's length; breaks on poison."""

    spec = FeatureSpec("m", "r", -1, "last", True, "t", 1)

    def __init__(self) -> None:
        self.read: list[str] = []

    def vectors(self, prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        texts = [messages[0]["content"] for messages in prompts]
        self.read += texts
        if any(POISON in text for text in texts):
            raise EngineError("poison was read")
        return [len(text).to_bytes(4, "little") for text in texts]


class Drawer:
    """Says "1" in the second sample, "0" in all others, three samples at once; breaks on poison at once."""

    decoder = "m"
    sampling: Sampling = SAMPLING

    def __init__(self, committed: Callable[[], set[tuple[UUID, int]]] = set, batch: int = 3) -> None:
        self._committed = committed
        self._batch = batch
        self.breaks_after: int | None = None
        self.drawn: Counter[tuple[UUID, int]] = Counter()
        self.drawn_in_vain: set[tuple[UUID, int]] = set()

    def works(self) -> bool:
        return True

    def draw(self, units: Sequence[Unit]) -> Iterator[list[Sample]]:
        self.drawn_in_vain |= self._committed() & {(unit.query_id, unit.number) for unit in units}
        if any(POISON in unit.messages[0]["content"] for unit in units):
            raise EngineError("poison was drawn for")
        for start in range(0, len(units), self._batch):
            response = [self._sample(unit) for unit in units[start : start + self._batch]]
            self.drawn.update((sample.query_id, sample.number) for sample in response)
            yield response
            if self.breaks_after is not None and self.drawn.total() >= self.breaks_after:
                self.breaks_after = None
                raise EngineError("it broke")

    def _sample(self, unit: Unit) -> Sample:
        said = str(int(unit.number == 1))
        return Sample(unit.query_id, unit.number, unit.seed, said, 2, 3, "stop", 0.0)


class Judge:
    """Passes what equals the reference; out of order as long as it is told to be."""

    def __init__(self) -> None:
        self.out_of_order: Callable[[Sample], bool] = lambda _: False
        self.seen: Counter[tuple[UUID, int]] = Counter()

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        return [self._verdict(query, sample) for query, sample in drawn]

    def _verdict(self, query: Query, sample: Sample) -> Verdict:
        self.seen[sample.query_id, sample.number] += 1
        if self.out_of_order(sample):
            return not_verified(sample, "out of order")
        passed = sample.text == query.reference
        said = "passed" if passed else "wrong_answer"
        return Verdict(sample.query_id, sample.number, said, float(passed), "judge", "1", "equal", None, 0.0)


@dataclass
class Plant:
    """Processes that live until a crash, and the servers that outlive them.

    Attributes:
        scene: the run in the ledger.
        inbox: the real one.
        fuses: of the flows under test, by the flow's name.
        exploration_share: of the queries, that get a random budget.
    """

    scene: Scene
    inbox: RedisInbox
    redis_client: redis.Redis
    fuses: dict[str, Fuse] = field(default_factory=dict)
    most_failures: int = 3
    exploration_share: float = 0.0

    def __post_init__(self) -> None:
        self.bell = Bell()
        self.reader = Reader()
        self.drawer = Drawer(self.committed)
        self.judge = Judge()
        self.stops = False
        self._visits = 0
        self.restart()

    @classmethod
    def build(cls, database: Database, client: redis.Redis, **given: Any) -> Plant:
        scene = Scene(database, **{"has_features": True, **given})
        inbox = RedisInbox(client, consumer="ingest")
        assert inbox.take(1, 0.0) == []  # from here on there is a consumer group
        return cls(scene, inbox, client)

    def restart(self) -> None:
        """All processes are new; what was rung for is forgotten, and the dead are silent for long enough."""
        self.bell.rung.clear()
        self.pass_time()
        self.windows = self.scene.windows(lease_seconds=10.0)
        self.rounds = self.scene.rounds(self.windows.lease, waves=WAVES, idle_seconds=30.0)
        self.sampler = self.scene.sampler(most_failures=self.most_failures)
        self.verifier = self.scene.verifier(most_failures=self.most_failures)
        self.reaper = self.scene.reaper(most_failures=self.most_failures)

    def pass_time(self) -> None:
        self.scene.pass_time(60.0)
        idle = int(CLAIM_AFTER_SECONDS * 1000)
        pending: Any = self.redis_client.xpending_range(STREAM, GROUP, "-", "+", 100)
        for item in pending:
            keys = [item["message_id"]]
            self.redis_client.xclaim(STREAM, GROUP, item["consumer"], 0, keys, idle=idle, justid=True)

    def ingest(self) -> int:
        inbox, ledger, bell = self._under("ingest", self.inbox, self.scene.ingest, self.bell)
        return ingest_once(inbox, ledger, bell)

    def schedule(self) -> int:
        lease, windows, believer, bell = self._under(
            "schedule", self.windows.lease, self.windows, Believer(), self.bell
        )
        return schedule_once(lease, windows, believer, bell, 100, self.exploration_share)

    def buy(self) -> int:
        lease, rounds, bell = self._under("buy", self.windows.lease, self.rounds, self.bell)
        return int(rounds.expire()) + buy_once(lease, rounds, bell, waves=WAVES)

    def reap(self) -> int:
        reaper, bell = self._under("reap", self.reaper, self.bell)
        return reap_once(reaper, bell)

    def work(self) -> int:
        """Answers the bell that rang first."""
        if not self.bell.rung:
            return 0
        queue, ids = self.bell.rung.pop(0)
        self._visits += 1
        if queue == "features":
            ledger, reader = self._under("features", self.scene.features, self.reader)
            featurize(ids, ledger, reader)
        elif queue == VERIFY_QUEUE:
            verifier, judge = self._under("verify", self.verifier, self.judge)
            verify(ids, verifier, judge, Auditor(self.judge, 0.0), {}, self._stopping(self._visits % 2 == 1))
        else:
            sampler, drawer, bell = self._under("draw", self.sampler, self.drawer, self.bell)
            draw(ids, sampler, drawer, bell, self._stopping(True))
        return 1

    def _stopping(self, now: bool) -> Event:
        """What a process is told; a verifier, which begins nothing once told, must not be told every time."""
        stopping = Event()
        if self.stops and now:
            stopping.set()
        return stopping

    def settle(self) -> None:
        """Lets all processes run, as new ones after each fault, until every query has its outcome."""
        for _ in range(300):
            try:
                worked = self.ingest() or self.work() or self.schedule() or self.buy() or self.reap()
            except (Crash, UnavailableError):
                self.restart()
                continue
            if not worked and self._is_done():
                return
            if not worked:
                self.pass_time()
        raise AssertionError("the queries never ended")

    def committed(self) -> set[tuple[UUID, int]]:
        return {(row.query_id, row.number) for row in self.scene.rows("SELECT query_id, number FROM samples")}

    def _is_done(self) -> bool:
        open_queries = self.scene.one("SELECT count(*) FROM queries WHERE state <> 'closed'")
        return self.redis_client.xlen(STREAM) == 0 and open_queries == 0

    def _under(self, flow: str, *ports: Any) -> tuple[Any, ...]:
        fuse = self.fuses.get(flow)
        return tuple(fused(port, fuse) for port in ports) if fuse else ports


def submit(plant: Plant, *queries: Query) -> None:
    admitted = plant.inbox.admit([plant.scene.arrival(given) for given in queries])
    assert {admission.status for admission in admitted} == {"accepted"}


def cut_off_everywhere(
    build: Callable[[str], Plant], flow: str, fault: type[BaseException], after: bool
) -> int:
    """Lets a plant live as often as the flow makes port calls, each time with a fault at another of them.

    Returns:
        How many calls that were.
    """
    for at in itertools.count():
        plant = build(f"run {at}")
        plant.fuses[flow] = fuse = Fuse(at, after, fault)
        plant.settle()
        check_books(plant)
        if not fuse.blown:
            return at
    raise AssertionError("unreachable")


def check_books(plant: Plant) -> None:
    """Holds after any number of crashes, once every query has ended."""
    scene, run = plant.scene, plant.scene.run
    queries = scene.rows("SELECT id, outcome FROM queries WHERE run_id = :run", run=run.id)
    budgets = {
        row.query_id: row.budget
        for row in scene.rows(
            "SELECT query_id, sum(budget) AS budget FROM allocations JOIN queries q ON q.id = query_id "
            "WHERE run_id = :run GROUP BY query_id",
            run=run.id,
        )
    }
    assert set(budgets) == {row.id for row in queries}
    samples = scene.rows(
        "SELECT s.query_id, s.number, v.reward FROM samples s JOIN queries q ON q.id = s.query_id "
        "LEFT JOIN verdicts v ON v.query_id = s.query_id AND v.number = s.number WHERE run_id = :run "
        "ORDER BY s.query_id, s.number",
        run=run.id,
    )
    expected = [
        (key, number, float(number == 1)) for key in sorted(budgets) for number in range(budgets[key])
    ]
    assert samples == expected
    check_outcomes(plant, budgets, {row.id: row.outcome for row in queries})
    check_account(plant, sum(budgets.values()), len(queries))
    assert plant.drawer.drawn_in_vain == set()
    wasted, open_attempts = scene.one(
        "SELECT coalesce(sum(wasted_samples), 0), count(*) FILTER (WHERE t.outcome IS NULL) FROM attempts t "
        "JOIN allocations a ON a.id = allocation_id JOIN queries q ON q.id = query_id WHERE run_id = :run",
        run=run.id,
    )
    assert wasted >= plant.drawer.drawn.total() - len(samples)
    assert open_attempts == 0


def check_outcomes(plant: Plant, budgets: dict[UUID, int], outcomes: dict[UUID, str]) -> None:
    scene = plant.scene
    assert outcomes == {key: "answered" if budget else "abstained" for key, budget in budgets.items()}
    answers = scene.rows(
        "SELECT query_id, text, sample_number FROM answers JOIN queries q ON q.id = query_id "
        "WHERE run_id = :run AND NOT abstained",
        run=scene.run.id,
    )
    best = {key: int(budget > 1) for key, budget in budgets.items() if budget}
    assert {row.query_id: row.sample_number for row in answers} == best
    assert {row.query_id: row.text for row in answers} == {key: str(number) for key, number in best.items()}
    names = scene.rows("SELECT external_id FROM queries WHERE run_id = :run", run=scene.run.id)
    told = scene.results.closed(scene.run.id, [row.external_id for row in names])
    assert sorted(result.id for result in told) == sorted(row.external_id for row in names)


def check_account(plant: Plant, spent: int, queries: int) -> None:
    account = plant.scene.account()
    assert account["allowed"] == queries * plant.scene.run.average_budget
    assert account["granted"] == spent
    assert account["returned"] == 0
    assert spent <= account["allowed"] or plant.exploration_share  # a random budget is a promise
