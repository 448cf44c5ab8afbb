"""Step 3 of a query's life: the prompt's hidden state, computed where the engine is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from adaqueue.core.query import Message
from adaqueue.errors import EngineError
from adaqueue.ports import FeatureLedger, FeatureProvider

log = logging.getLogger(__name__)


def featurize(ids: Sequence[UUID], ledger: FeatureLedger, provider: FeatureProvider) -> int:
    """Computes and stores the features of those queries that still wait for them.

    A prompt on which the model breaks goes on without features, and is then given the prior.

    Returns:
        How many queries go on to their window.
    """
    prompts = ledger.begin(ids)
    if not prompts:
        return 0
    vectors = _vectors(list(prompts.items()), provider)
    failed = [query_id for query_id in prompts if query_id not in vectors]
    ledger.store(provider.spec.fingerprint(), vectors, failed)
    return len(prompts)


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
