"""A probe of routing: how likely is the strong decoder's answer to be the better one (Eq. 8)?"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit

from adaqueue.adapters.probes.ensemble import fit_ensemble
from adaqueue.adapters.probes.fitted import FittedProbe
from adaqueue.adapters.probes.fitting import folds_of
from adaqueue.adapters.probes.models import NetworkModel
from adaqueue.adapters.probes.objectives import OBJECTIVES, Targets, targets
from adaqueue.core.calibration import NONE
from adaqueue.core.marginal import FloatArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.errors import BadOutcomesError

HEAD = "preference"


def preferences(weak: Outcomes, strong: Outcomes) -> FloatArray:
    """Returns `E sigma(r_S - r_W)` of each query, over all pairs of a strong and a weak reward, shape (n,).

    Args:
        weak: of n queries, each with at least one reward.
        strong: of the same queries, likewise.

    Raises:
        BadOutcomesError: they are not the same queries, one has no reward, or one stopped at a success.
    """
    if weak.ids != strong.ids:
        raise BadOutcomesError("weak and strong outcomes must be of the same queries, in the same order")
    if stopped := int((weak.stopped | strong.stopped).sum()):
        raise BadOutcomesError(
            f"{stopped} queries stopped at their successes, which biases the mean over pairs: leave them out"
        )
    if bare := int(((weak.samples == 0) | (strong.samples == 0)).sum()):
        raise BadOutcomesError(f"{bare} queries have no reward of one decoder: leave them out")
    pairs = zip(weak.rewards, strong.rewards, strict=True)
    return np.array([expit(np.subtract.outer(better, worse)).mean() for worse, better in pairs])


def fit_preference(weak: Outcomes, strong: Outcomes, seed: int) -> FittedProbe:
    """Returns the probe whose mean is the chance that the strong decoder's answer is preferred.

    It stands for no counts: its Beta distributions have the size 1, and are not calibrated.

    Args:
        weak: outcomes of the weak decoder, with the hidden states that the probe reads.
        strong: outcomes of the strong one on the same queries.
        seed: of folds, first weights and batches.

    Raises:
        BadOutcomesError: as `preferences`, too few queries, or no hidden states.
    """
    wanted = preferences(weak, strong)
    if weak.states is None:
        raise BadOutcomesError(f"the head {HEAD!r} reads hidden states, and the outcomes have none")
    known = targets(HEAD, weak)
    share = torch.from_numpy(wanted.astype(np.float32))[:, None]
    goal = Targets(known.successes, known.samples, share, known.log_tokens)
    ensemble, numbers = fit_ensemble(OBJECTIVES[HEAD], weak.states, goal, folds_of(weak, seed), seed)
    held_out = OBJECTIVES[HEAD].beliefs(numbers)
    return FittedProbe(HEAD, NetworkModel(HEAD, ensemble, {}), NONE, held_out, np.arange(len(weak)))
