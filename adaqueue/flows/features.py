"""Step 3 of a query's life: the prompt's hidden state, computed where the engine is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from adaqueue.core.query import Message, Query
from adaqueue.errors import EngineError
from adaqueue.ports import FeatureLedger, FeatureProvider

log = logging.getLogger(__name__)

Adapted = Callable[[str], FeatureProvider | None]
"""Who computes, beside the base model's features, those that the probe in use for a domain reads."""


def unadapted(domain: str) -> None:
    """Says that the probe of no domain reads other features than the base model's."""


def featurize(
    ids: Sequence[UUID], ledger: FeatureLedger, provider: FeatureProvider, adapted: Adapted = unadapted
) -> int:
    """Computes and stores the features of those queries that still wait for them.

    A prompt on which the model breaks goes on without features, and is then given the prior.

    Returns:
        How many queries go on to their window.
    """
    queries = ledger.begin(ids)
    if not queries:
        return 0
    vectors = _vectors(_prompts(queries), provider)
    failed = [query_id for query_id in queries if query_id not in vectors]
    sound = {query_id: query for query_id, query in queries.items() if query_id in vectors}
    ledger.store(provider.spec.fingerprint(), vectors, failed, _adapted(sound, adapted))
    return len(queries)


def _adapted(queries: Mapping[UUID, Query], adapted: Adapted) -> dict[str, dict[UUID, bytes]]:
    """Returns vectors of domains whose probe reads others than the base model's, by their fingerprint."""
    found: dict[str, dict[UUID, bytes]] = {}
    for domain in sorted({query.domain for query in queries.values()}):
        provider = adapted(domain)
        if provider is not None:
            own = {query_id: query for query_id, query in queries.items() if query.domain == domain}
            vectors = _vectors(_prompts(own), provider)
            found.setdefault(provider.spec.fingerprint(), {}).update(vectors)
    return found


def _prompts(queries: Mapping[UUID, Query]) -> list[tuple[UUID, tuple[Message, ...]]]:
    return [(query_id, query.messages) for query_id, query in queries.items()]


def _vectors(
    prompts: Sequence[tuple[UUID, tuple[Message, ...]]], provider: FeatureProvider
) -> dict[UUID, bytes]:
    """Returns vectors by query; where the model breaks on a batch, the batch is halved."""
    try:
        found = provider.vectors([messages for _, messages in prompts])
    except EngineError as error:
        if len(prompts) == 1:
            log.warning("no features for query %s: %s", prompts[0][0], error)
            return {}
        middle = len(prompts) // 2
        return _vectors(prompts[:middle], provider) | _vectors(prompts[middle:], provider)
    return {query_id: vector for (query_id, _), vector in zip(prompts, found, strict=True)}
