"""Who gives verdicts, and who checks them again, built from settings."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.code_verifier import CodeVerifier
from adaqueue.adapters.code_wire import Limits
from adaqueue.adapters.consensus_verifier import ConsensusVerifier
from adaqueue.adapters.domain_verifier import DomainVerifier
from adaqueue.adapters.judge_verifier import JudgeVerifier
from adaqueue.adapters.ledger.verifying import PostgresAudits
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_pool import MathPool
from adaqueue.adapters.math_verifier import MathVerifier
from adaqueue.adapters.socket_folder import check_private, socket_folder
from adaqueue.core.trust import JUDGE, Rates
from adaqueue.flows.audit import Auditor
from adaqueue.ports import Judge, Verifier
from adaqueue.settings import Settings

RATES_SECONDS = 60.0
_HELD_AGAINST = ((JUDGE, "math"), ("code", "code"))
"""Whose errors the stop rule counts, and who is the truth for them: rules for the judge, tests run again."""


@dataclass(frozen=True)
class Verifiers:
    """What a verifier process works with.

    Attributes:
        verifier: of all domains.
        auditor: of a share of its verdicts.
        close: ends processes of its own.
    """

    verifier: Verifier
    auditor: Auditor
    close: Callable[[], None]


def verifiers(settings: Settings) -> Verifiers:
    """Returns who gives verdicts; loads the models of the judge and of rewards where they are set."""
    pool = MathPool()
    checker = MathChecker(pool, paper_exact=settings.math_paper_exact)
    judge = math_judge(settings)
    by_domain: dict[str, Verifier] = {
        "math": MathVerifier(checker, judge),
        "code": code_verifier(settings),
        "math without a reference": ConsensusVerifier(checker),
    }
    if settings.reward_model is not None:
        by_domain["chat"] = _reward_verifier(settings.reward_model)
    again: dict[str, Verifier] = {"code": by_domain["code"]}
    if judge is not None:
        again["math"] = JudgeVerifier(judge)
    auditor = Auditor(DomainVerifier(again), settings.audit_share)
    pool.warm()  # while it loads, what takes longest to load would count as too slow to be told
    return Verifiers(DomainVerifier(by_domain), auditor, checker.close)


def code_verifier(settings: Settings) -> CodeVerifier:
    """Returns the verifier of code, which asks the sandboxes."""
    return CodeVerifier(sandboxes_folder(settings), limits(settings), settings.test_comparison)


def limits(settings: Settings) -> Limits:
    """Returns what one run of a program may use."""
    return Limits(
        cpu_seconds=settings.test_cpu_seconds,
        memory_mebibytes=settings.test_memory_mebibytes,
        output_bytes=settings.test_output_bytes,
    )


class AuditedRates:
    """Error rates for the stop rule, read from the ledger once a minute at most.

    Args:
        audits: says what audits have shown.
    """

    def __init__(self, audits: PostgresAudits) -> None:
        self._audits = audits
        self._read_at = float("-inf")
        self._rates: Mapping[str, Rates] = {}

    def __call__(self) -> Mapping[str, Rates]:
        """Returns rates by source."""
        if time.monotonic() - self._read_at > RATES_SECONDS:
            found = self._audits.rates()
            self._rates = {pair[0]: found[pair] for pair in _HELD_AGAINST if pair in found}
            self._read_at = time.monotonic()
        return self._rates


def math_judge(settings: Settings) -> Judge | None:
    """Returns who judges math answers that no rule decides; None where no model is named."""
    if settings.judge_model is None:
        return None
    if settings.judge_url is not None:
        from adaqueue.adapters.judge_api import ApiJudge

        key = settings.judge_api_key.get_secret_value() if settings.judge_api_key else None
        return ApiJudge(settings.judge_url, settings.judge_model, key)
    from adaqueue.adapters.judge_transformers import TransformersJudge
    from adaqueue.adapters.language_model import LanguageModel

    return TransformersJudge(LanguageModel(settings.judge_model, settings.judge_model))


def _reward_verifier(source: str) -> Verifier:
    from adaqueue.adapters.chat_verifier import RewardVerifier
    from adaqueue.adapters.reward_model import RewardModel

    return RewardVerifier(RewardModel(source, source))


def sandboxes_folder(settings: Settings) -> Path:
    """Returns where sandboxes' sockets are.

    Raises:
        UnavailableError: somebody else could have put a socket there.
    """
    if settings.sandboxes_folder is not None:
        return settings.sandboxes_folder
    folder = own_sandboxes_folder(settings.data_folder.expanduser().resolve())
    check_private(folder, os.geteuid())
    return folder


def own_sandboxes_folder(data_folder: Path) -> Path:
    """Returns where sockets of a data folder's own sandboxes are."""
    return socket_folder(data_folder / "sandboxes", new_socket_name(), os.geteuid())


def new_socket_name() -> str:
    """Returns a name of a socket that no other has."""
    return f"{secrets.token_hex(4)}.sock"
