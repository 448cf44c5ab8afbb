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
from adaqueue.core.rule import Rule
from adaqueue.core.suites import Measured, Suite
from adaqueue.core.trial import Contestant
from adaqueue.errors import BadOutcomesError
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
            BadOutcomesError: a file holds no query, or queries of several domains.
            UnavailableError: the system cannot be reached.
        """
        sets, probes = {}, []
        for file in suite.files:
            data, probe = self._measured(suite, night, file)
            sets[PurePath(file).name] = data
            probes.append(probe)
        about = {"the probe in use": ", ".join(sorted(set(probes))), "the model": self.system.model}
        return Measured(sets, {**about, **self.about})

    def _measured(self, suite: Suite, night: str, file: str) -> tuple[dict[str, Any], str]:
        queries = _own(self.read(file), file)
        source = self.source(file)
        stem = f"nightly {suite.name} {PurePath(file).name} {str(source.get('sha256'))[:8]} {night}"
        scoring = Errand(f"{stem} draws", "uniform", suite.draws)
        runs = [Errand(f"{stem} {p} B={b}", p, b) for p in suite.policies for b in suite.budgets]
        ran = self.system.run(scoring, [_without_limits(query) for query in queries])
        live: dict[str, dict[str, Any]] = {}
        for errand in runs:
            became = what_became(self.system.run(errand, queries).results)
            live.setdefault(errand.policy, {})[str(errand.average_budget)] = became
        data, probe = self._judged(suite, scoring, queries, ran)
        for errand in (scoring, *runs):
            self.system.close(errand)
        return {**data, "live": live, "source": source, "model": self.system.model, "probe": probe}, probe

    def _judged(
        self, suite: Suite, scoring: Errand, queries: Sequence[Query], ran: Ran
    ) -> tuple[dict[str, Any], str]:
        drawn = {one.id: one for one in ran.drawn if len(one.rewards) == suite.draws}
        whole = [query for query in queries if query.id in drawn]
        spoke = Counter(one.prediction.probe for one in drawn.values()).most_common(1)
        name = NO_PROBE if not spoke or spoke[0][0] == "prior" else spoke[0][0]
        rewards = [drawn[str(query.id)].rewards for query in whole]
        left_out = len(queries) - len(whole)
        if not whole or any(reward not in (0, 1) for row in rewards for reward in row):
            means = [float(np.mean(row)) for row in rewards]
            return {
                "kind": "real",
                "queries": len(whole),
                "left_out": left_out,
                "policies": {},
                "means": means,
            }, name
        whole, rewards, word = self._with_word(scoring, whole, rewards, name)
        successes = np.array([sum(map(int, row)) for row in rewards], dtype=np.int64)
        groups = self.near_duplicates([prompt_text(query.prompt) for query in whole])
        data = judged(successes, suite.draws, groups, suite.budgets, word)
        return {**data, "left_out": len(queries) - len(whole)}, name

    def _with_word(
        self, scoring: Errand, queries: list[Query], rewards: list[tuple[float, ...]], name: str
    ) -> tuple[list[Query], list[tuple[float, ...]], Contestant | None]:
        """Returns the queries that the probe has a word on, with their rewards, and its word."""
        probe = self.system.champion(queries[0].domain)
        if probe is None or probe.name != name:
            return queries, rewards, None
        vectors = self.system.vectors(scoring, probe.papers.features_fingerprint)
        beliefs, known = _believed(probe, queries, vectors)
        if not known:
            return queries, rewards, None
        rule: Rule | None = probe.rule
        return [queries[r] for r in known], [rewards[r] for r in known], Contestant(beliefs, rule)


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
    return [replace(query, tenant=ACCOUNT, deadline_seconds=None, recording=None) for query in queries]


def _without_limits(query: Query) -> Query:
    return replace(query, min_budget=0, max_budget=None)
