"""The long-running processes: each loads its settings from the environment and serves until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from threading import Event
from uuid import UUID

from adaqueue.adapters.celery_app import CeleryDoorbell, add_task, make_app, serve
from adaqueue.adapters.code_server import serve as serve_code
from adaqueue.adapters.heartbeat import Heartbeat, ThreadHeartbeats
from adaqueue.adapters.inbox import RedisInbox, connect
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.features import PostgresFeatureLedger
from adaqueue.adapters.ledger.ingest import PostgresIngestLedger
from adaqueue.adapters.ledger.known_features import KnownFeatures
from adaqueue.adapters.ledger.lease import PostgresLease
from adaqueue.adapters.ledger.prior import FittedPrior
from adaqueue.adapters.ledger.reaper import PostgresReaperLedger
from adaqueue.adapters.ledger.rounds import PostgresRoundLedger
from adaqueue.adapters.ledger.sampling import PostgresSamplingLedger
from adaqueue.adapters.ledger.verifying import PostgresAudits, PostgresVerifyingLedger
from adaqueue.adapters.ledger.windows import PostgresWindowLedger
from adaqueue.adapters.predictor import ProbePredictor
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.weights import WeightStore
from adaqueue.errors import EngineError, UnavailableError
from adaqueue.flows.draw import VERIFY_QUEUE, draw
from adaqueue.flows.features import featurize
from adaqueue.flows.ingest import ingest_once
from adaqueue.flows.loops import repeat_all
from adaqueue.flows.reap import Patience, reap_once
from adaqueue.flows.schedule import buy_once, schedule_once
from adaqueue.flows.verify import verify
from adaqueue.ports import Probe
from adaqueue.settings import Settings, load_settings
from adaqueue.wiring.addresses import addresses
from adaqueue.wiring.engines import (
    Kind,
    engine_server,
    feature_provider,
    lora_features,
    sample_engines,
    sampling,
)
from adaqueue.wiring.verifiers import AuditedRates, new_socket_name, sandboxes_folder, verifiers

log = logging.getLogger(__name__)

INGEST_IDLE_SECONDS = 0.0
WINDOW_IDLE_SECONDS = 0.05
ROUND_IDLE_SECONDS = 0.02
DEADLINE_IDLE_SECONDS = 0.5
REAPER_IDLE_SECONDS = 1.0
VERIFIER_THREADS = 4
"""Messages that a verifier works on at once: while one waits for a slow test, the others go on."""


def run_scheduler() -> None:
    """Runs ingest, windows, rounds, deadlines and the reaper until SIGTERM; what decides needs the lease."""
    settings, database = start()
    stopping = _stopping()
    if settings.engine != "replay":
        _load_probe_code()
    where = addresses(settings)
    doorbell = CeleryDoorbell(make_app(where.broker_url))
    heartbeat = Heartbeat(database, "scheduler", settings.heartbeat_seconds)
    inbox = RedisInbox(connect(where.redis_url), consumer=f"{socket.gethostname()}-{os.getpid()}")
    lease = PostgresLease(database, heartbeat.worker_id())
    windows = PostgresWindowLedger(
        database, lease, window_queries=settings.window_queries, window_seconds=settings.window_seconds
    )
    rounds = PostgresRoundLedger(
        database,
        lease,
        window_queries=settings.window_queries,
        response_samples=settings.engine_slots if settings.engine == "vllm" else settings.batch_samples,
        waves=settings.waves,
        idle_seconds=settings.batch_idle_seconds,
    )
    predictor = _predictor(settings, database)
    ingest = partial(ingest_once, inbox, PostgresIngestLedger(database), doorbell)
    schedule = partial(
        schedule_once,
        lease,
        windows,
        predictor,
        doorbell,
        settings.window_queries,
        settings.exploration_share,
    )
    buy = partial(buy_once, lease, rounds, doorbell, settings.waves)
    patience = Patience(time.monotonic, settings.worker_timeout_seconds)
    reap = partial(reap_once, reaper_ledger(settings, database), doorbell, patience)
    steps: list[tuple[Callable[[], int], float]] = [
        (ingest, INGEST_IDLE_SECONDS),
        (schedule, WINDOW_IDLE_SECONDS),
        (buy, ROUND_IDLE_SECONDS),
        (rounds.expire, DEADLINE_IDLE_SECONDS),
        (reap, REAPER_IDLE_SECONDS),
    ]
    repeat_all(steps, stopping)
    lease.release()
    heartbeat.stop()


def run_features() -> None:
    """Answers the features doorbell until SIGTERM; first trains the shipped model's probes if need be."""
    from adaqueue.wiring.training import train_shipped_probes

    settings, database = start()
    provider = feature_provider(settings, stopping=lambda: False)
    ledger, probes = PostgresFeatureLedger(database), registry(settings, database)
    ledger.register(provider.spec)
    train_shipped_probes(provider, probes, sampling(settings))
    adapted = lora_features(settings, provider, probes, ledger.register)
    heartbeat = Heartbeat(database, "features", settings.heartbeat_seconds)
    app = make_app(addresses(settings).broker_url)
    add_task(app, "features", lambda ids: featurize(ids, ledger, provider, adapted))
    _serve(partial(serve, app, "features", ["features"], lambda: None), heartbeat)


def run_sampler() -> None:
    """Answers the sample doorbells of its engines until SIGTERM; unfinished work is handed back."""
    settings, database = start()
    stopping = Event()
    engines = sample_engines(settings, stopping.is_set)
    serves = (settings.engine, settings.model)
    heartbeat = Heartbeat(database, "sampler", settings.heartbeat_seconds, serves)
    app = make_app(addresses(settings).broker_url)
    doorbell = CeleryDoorbell(app)
    for name, engine in engines.items():
        ledger = PostgresSamplingLedger(
            database, heartbeat.worker_id, decoder=engine.decoder, most_failures=settings.most_failures
        )
        work = partial(draw, ledger=ledger, engine=engine, doorbell=doorbell, stopping=stopping)
        add_task(app, name, _guarded(lambda: heartbeat, work, stopping))
    _serve(partial(serve, app, "sampler", list(engines), stopping.set), heartbeat)


def run_verifier() -> None:
    """Answers the verify doorbell until SIGTERM; what it does not end in time is verified by others."""
    settings, database = start()
    stopping = Event()
    tools = verifiers(settings)
    serves = (None, settings.reward_model)
    beats = ThreadHeartbeats(partial(Heartbeat, database, "verifier", settings.heartbeat_seconds, serves))
    ledger = PostgresVerifyingLedger(
        database, lambda: beats.own().worker_id(), most_failures=settings.most_failures
    )
    rates = AuditedRates(PostgresAudits(database))

    def work(ids: list[UUID]) -> int:
        return verify(ids, ledger, tools.verifier, tools.auditor, rates(), stopping)

    app = make_app(addresses(settings).broker_url)
    add_task(app, VERIFY_QUEUE, _guarded(beats.own, work, stopping))
    try:
        _serve(partial(serve, app, "verifier", [VERIFY_QUEUE], stopping.set, VERIFIER_THREADS), beats)
    finally:
        tools.close()


def run_sandbox() -> None:
    """Runs programs for whoever asks at its socket, until SIGTERM; needs no server and no secret."""
    settings = _settings()
    serve_code(
        sandboxes_folder(settings) / new_socket_name(),
        _stopping(),
        [name.strip() for name in settings.test_libraries.split(",") if name.strip()],
        run_code_without_isolation=settings.run_code_without_isolation,
    )


def run_engine(kind: Kind) -> None:
    """Runs a vLLM server, and starts it again when it ends or hangs, until SIGTERM."""
    engine_server(_settings(), kind).run(_stopping())


def registry(settings: Settings, database: Database) -> ProbeRegistry:
    """Returns the registry of probes; torch is loaded with the first probe."""

    def load(weights: bytes, sha256: str) -> Probe:
        from adaqueue.adapters.probes.fitting import load_probe

        return load_probe(weights, sha256)

    return ProbeRegistry(database, load, WeightStore(settings.probes_url))


def _predictor(settings: Settings, database: Database) -> ProbePredictor:
    drawn, prior = sampling(settings), (settings.prior_alpha, settings.prior_beta)
    fitted = FittedPrior(database, drawn, prior)
    return ProbePredictor(registry(settings, database), drawn, fitted, KnownFeatures(database))


def reaper_ledger(settings: Settings, database: Database) -> PostgresReaperLedger:
    """Returns the reaper's side of the ledger."""
    return PostgresReaperLedger(
        database,
        worker_seconds=settings.worker_timeout_seconds,
        ring_seconds=settings.ring_again_seconds,
        most_failures=settings.most_failures,
        max_tokens=sampling(settings).max_tokens,
    )


def start() -> tuple[Settings, Database]:
    """Returns a process's settings and its ledger; sets its log up."""
    settings = _settings()
    return settings, Database(addresses(settings).database_url)


def _settings() -> Settings:
    """SIGTERM ends the process at once until something takes the signal over: it holds no work yet."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return load_settings()


def _stopping() -> Event:
    """Returns what SIGTERM sets."""
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    return stopping


def _load_probe_code() -> None:
    """Loads torch before the process counts as ready rather than in its first window."""
    import adaqueue.adapters.probes.fitting  # noqa: F401 - the import is the purpose


def _guarded(
    own: Callable[[], Heartbeat], work: Callable[[list[UUID]], int], stopping: Event
) -> Callable[[list[UUID]], int]:
    """Returns `work` with a way out of faults: claims go back to others, a sick engine is started afresh."""

    def guarded(ids: list[UUID]) -> int:
        try:
            return work(ids)
        except EngineError:
            log.critical("the engine is sick: this process ends, to be started afresh")
            os.kill(os.getpid(), signal.SIGTERM)
            raise
        except UnavailableError:
            own().renew(blameless=True, stopping=stopping)
            raise
        except Exception:
            own().renew(blameless=False, stopping=stopping)
            raise

    return guarded


def _serve(serve_until_stopped: Callable[[], None], heartbeat: Heartbeat | ThreadHeartbeats) -> None:
    try:
        serve_until_stopped()
    finally:
        heartbeat.stop()
