"""Fits a probe of any head on recorded outcomes, and reads one back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from adaqueue.adapters.probes.artefacts import require_shapes, unpack
from adaqueue.adapters.probes.ensemble import Ensemble, fit_ensemble
from adaqueue.adapters.probes.fitted import FittedProbe, Model, split, split_calibration
from adaqueue.adapters.probes.heads import head_named, require_full_counts
from adaqueue.adapters.probes.models import ADAPTER, ConstantModel, NetworkModel, vectors
from adaqueue.adapters.probes.objectives import OBJECTIVES, targets
from adaqueue.adapters.probes.tfidf import TfidfModel, fit_tfidf
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.calibration import choose
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.errors import BadOutcomesError, FingerprintError, SettingsError

FOLDS = 5
FEWEST_QUERIES = 10
ELSEWHERE = {"lora": "lora.fit_lora", "preference": "preference.fit_preference"}


def fit_probe(head: str, data: Outcomes, seed: int) -> FittedProbe:
    """Returns the probe that explains held-out counts best; queries without samples are left out.

    Groups of near duplicates are dealt into folds. A network is trained without each fold and stops by it;
    the probe averages them, and is calibrated on what each says of the fold that it was not trained on.

    Args:
        head: one of `HEADS`, but for `lora` and `preference`, which learn from more than outcomes.
        data: of one decoder, domain and sampling; samples may differ in number from query to query.
        seed: of folds, first weights and batches; the same seed gives the same probe.

    Raises:
        SettingsError: there is no such head, or it is fitted elsewhere; names the others.
        BadOutcomesError: too few queries or groups have samples, they lack what the head reads, or the head
            needs success rates and queries stopped at a success.
    """
    kind = head_named(head)
    if head in ELSEWHERE:
        raise SettingsError(f"the head {head!r} learns from more than outcomes: see `{ELSEWHERE[head]}`")
    seen = np.flatnonzero(data.samples > 0)
    data = data.take(seen)
    require_full_counts(head, int(data.stopped.sum()))
    if kind.reads == "states" and data.states is None:
        raise BadOutcomesError(f"the head {head!r} reads hidden states, and the outcomes have none")
    folds = folds_of(data, seed)
    model, held_out = _fit(head, data, folds, seed)
    calibration = choose(held_out, data.successes, data.samples, data.stopped, folds)
    return FittedProbe(head, model, calibration, calibration.apply(held_out), seen)


def load_probe(data: bytes, sha256: str) -> FittedProbe:
    """Returns the probe with these weights, as `to_bytes` gave them.

    Raises:
        FingerprintError: the data is not what was registered, or holds something else; names what.
    """
    metadata, tensors = unpack(data, sha256)
    head, (calibration, rest) = metadata["head"], split_calibration(tensors)
    return FittedProbe(head, _load(head, rest), calibration)


def folds_of(data: Outcomes, seed: int) -> IntArray:
    """Returns a fold for each query, near duplicates in one, shape (n,).

    Raises:
        BadOutcomesError: too few queries, or all of them near duplicates.
    """
    groups = len(np.unique(data.groups))
    if len(data) < FEWEST_QUERIES or groups < 2:
        raise BadOutcomesError(
            f"a probe needs at least {FEWEST_QUERIES} queries with verified samples, in two or more groups "
            f"of near duplicates, not {len(data)} in {groups}: record more outcomes"
        )
    return balanced_folds(data.groups, data.successes / data.samples, min(FOLDS, groups), seed)


def _fit(head: str, data: Outcomes, folds: IntArray, seed: int) -> tuple[Model, Beliefs]:
    if head == "constant":
        return ConstantModel(), ConstantModel().beliefs(None, data.prompts)
    if head in ("tfidf", "tfidf_logistic"):
        return fit_tfidf(data, folds, head == "tfidf_logistic")
    given = vectors(head, data.states, data.prompts)
    ensemble, held_out = fit_ensemble(OBJECTIVES[head], given, targets(head, data), folds, seed)
    return NetworkModel(head, ensemble, {}), OBJECTIVES[head].beliefs(held_out)


def _load(head: str, tensors: Mapping[str, Tensor]) -> Model:
    if head == "constant":
        require_shapes(tensors, {})
        return ConstantModel()
    if head in ("tfidf", "tfidf_logistic"):
        return TfidfModel.of(tensors, head == "tfidf_logistic")
    adapter, networks = split(tensors, ADAPTER)
    if bool(adapter) != (head == "lora"):
        raise FingerprintError(f"the weights hold no probe: {len(adapter)} adapter tensors for {head!r}")
    outputs = None if head == "marginal" else OBJECTIVES[head].outputs(0)
    return NetworkModel(head, Ensemble.of(networks, outputs), adapter)
