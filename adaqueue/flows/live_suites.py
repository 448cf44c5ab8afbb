"""A live suite: queries go through the system that is up, and the probe in use is judged on fresh draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.errands import Errand, Ran
from adaqueue.core.live_figures import judged, what_became
from adaqueue.core.marginal import IntArray
from adaqueue.core.papers import TEXT
from adaqueue.core.query import Query, prompt_text
from adaqueue.core.records import Drawn
from adaqueue.core.rule import Rule
from adaqueue.core.suites import Measured, Suite
from adaqueue.core.trial import Contestant
from adaqueue.errors import BadOutcomesError, UnavailableError
from adaqueue.flows.retrain import Champion

ACCOUNT = "nightly"
"""Tenant whose account of a suite's runs pays."""

NO_PROBE = "none"


class LiveSystem(Protocol):
    """The system that is up."""

    @property
    def model(self) -> str:
        """Name of the model that draws."""
        ...

    def run(self, errand: Errand, queries: Sequence[Query]) -> Ran:
        """Gives queries to the system, after all others', and waits until they have ended."""
        ...

    def vectors(self, errand: Errand, fingerprint: str) -> Mapping[str, bytes]:
        """Returns the float32 states of a run's queries by id; those without are left out."""
        ...

    def close(self, errand: Errand) -> None:
        """Closes a run: its name is free again."""
        ...

    def champion(self, domain: str) -> Champion | None:
        """Returns the probe in use; None if there is none."""
        ...


@dataclass(frozen=True)
class LiveSuites:
    """Measures live suites.

    Attributes:
        system: draws and answers.
        read: the queries of a file, each with an id.
        source: says where a file's figures come from.
        near_duplicates: which prompts are nearly the same, by equal numbers.
        about: versions, as they are named beside a regression.
    """

    system: LiveSystem
    read: Callable[[str], Sequence[Query]]
    source: Callable[[str], Mapping[str, Any]]
    near_duplicates: Callable[[Sequence[str]], IntArray]
    about: Mapping[str, str]

    def measure(self, suite: Suite, night: str) -> Measured:
        """Returns a suite's figures.

        Raises:
            BadOutcomesError: a file holds no query, queries of several domains, or an id twice.
            UnavailableError: the system cannot be reached, or no query has all of its samples verified.
        """
        sets, probes = {}, []
        asked = {file: _own(self.read(file), file) for file in suite.files}
        for file, queries in asked.items():
            data, probe = self._measured(suite, night, file, queries)
            sets[PurePath(file).name] = data
            probes.append(probe)
        about = {"the probe in use": ", ".join(sorted(set(probes))), "the model": self.system.model}
        return Measured(sets, {**about, **self.about})

    def _measured(
        self, suite: Suite, night: str, file: str, queries: list[Query]
    ) -> tuple[dict[str, Any], str]:
        source = self.source(file)
        stem = f"nightly {suite.name} {PurePath(file).name} {str(source.get('sha256'))[:8]} {night}"
        scoring = Errand(f"{stem} draws", "uniform", suite.draws)
        runs = [Errand(f"{stem} {p} B={b}", p, b) for p in suite.policies for b in suite.budgets]
        ran = self.system.run(scoring, [_without_limits(query) for query in queries])
        drawn = _whole(ran, suite.draws, f"{file}: {len(queries)} queries")
        is_real = any(reward not in (0, 1) for one in drawn.values() for reward in one.rewards)
        live: dict[str, dict[str, Any]] = {}
        ids = [str(query.id) for query in queries]
        for errand in runs:
            became = what_became(self.system.run(errand, queries).results, ids, is_real=is_real)
            live.setdefault(errand.policy, {})[str(errand.average_budget)] = became
        probe = _probe(drawn)
        data = _real(queries, drawn) if is_real else self._judged(suite, scoring, queries, drawn)
        for errand in (scoring, *runs):
            self.system.close(errand)
        return {**data, "live": live, "source": source, "model": self.system.model, "probe": probe}, probe

    def _judged(
        self, suite: Suite, scoring: Errand, queries: Sequence[Query], drawn: Mapping[str, Drawn]
    ) -> dict[str, Any]:
        whole = [query for query in queries if query.id in drawn]
        whole, word = self._with_word(scoring, whole, _probe(drawn))
        rewards = [drawn[str(query.id)].rewards for query in whole]
        successes = np.array([sum(map(int, row)) for row in rewards], dtype=np.int64)
        groups = self.near_duplicates([prompt_text(query.prompt) for query in whole])
        data = judged(successes, suite.draws, groups, suite.budgets, word)
        each = {what: _in_order(queries, whole, values) for what, values in data["each"].items()}
        return {**data, "each": each, "left_out": len(queries) - len(whole)}

    def _with_word(
        self, scoring: Errand, queries: list[Query], name: str
    ) -> tuple[list[Query], Contestant | None]:
        """Returns the queries that the probe has a word on, and its word; all of them where it has none."""
        probe = self.system.champion(queries[0].domain)
        if probe is None or probe.name != name:
            return queries, None
        vectors = self.system.vectors(scoring, probe.papers.features_fingerprint)
        beliefs, known = _believed(probe, queries, vectors)
        if not known:
            return queries, None
        rule: Rule | None = probe.rule
        return [queries[row] for row in known], Contestant(beliefs, rule)


def _whole(ran: Ran, draws: int, told: str) -> dict[str, Drawn]:
    """Returns the queries all of whose samples have a reward, by id."""
    drawn = {one.id: one for one in ran.drawn if len(one.rewards) == draws}
    if not drawn:
        raise UnavailableError(f"{told}: none has all of its {draws} samples verified: look at the verifiers")
    return drawn


def _real(queries: Sequence[Query], drawn: Mapping[str, Drawn]) -> dict[str, Any]:
    """Returns what is told of real rewards, of which no probe in use has a word yet."""
    means = {key: float(np.mean(one.rewards)) for key, one in drawn.items()}
    told = {"kind": "real", "queries": len(drawn), "left_out": len(queries) - len(drawn), "policies": {}}
    return {**told, "each": {"reward": [means.get(str(query.id)) for query in queries]}}


def _probe(drawn: Mapping[str, Drawn]) -> str:
    """Returns the probe that predicted most queries."""
    ((name, _),) = Counter(one.prediction.probe for one in drawn.values()).most_common(1)
    return NO_PROBE if name == "prior" else name


def _in_order(queries: Sequence[Query], known: Sequence[Query], values: Sequence[Any]) -> list[Any]:
    """Returns the values of those that are known in the order of all, None for the others."""
    by_id = {query.id: value for query, value in zip(known, values, strict=True)}
    return [by_id.get(query.id) for query in queries]


def _believed(
    probe: Champion, queries: Sequence[Query], vectors: Mapping[str, bytes]
) -> tuple[Beliefs, list[int]]:
    """Returns what a probe says of those queries that it can read, and their places."""
    prompts = [prompt_text(query.prompt) for query in queries]
    if probe.papers.features_fingerprint == TEXT or probe.model.reads == "prompts":
        return probe.model.predict(None, prompts), list(range(len(queries)))
    known = [row for row, query in enumerate(queries) if query.id in vectors]
    states = [np.frombuffer(vectors[str(queries[row].id)], dtype=np.float32) for row in known]
    if not known:
        return Beliefs.of(np.ones(0), np.ones(0)), known
    return probe.model.predict(np.stack(states), [prompts[row] for row in known]), known


def _own(queries: Sequence[Query], file: str) -> list[Query]:
    """The queries, on the suites' own account."""
    domains = sorted({query.domain for query in queries})
    if len(domains) != 1:
        told = "no query" if not domains else f"queries of {' and '.join(domains)}"
        raise BadOutcomesError(f"files: {file}: {told}: give a file of queries of one domain")
    (often, times), *_ = Counter(str(query.id) for query in queries).most_common(1)
    if times > 1:
        raise BadOutcomesError(f"files: {file}: id {often!r}: {times} queries have it: give each its own")
    return [replace(query, tenant=ACCOUNT, deadline_seconds=None, recording=None) for query in queries]


def _without_limits(query: Query) -> Query:
    return replace(query, min_budget=0, max_budget=None)
