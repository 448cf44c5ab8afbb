"""The probe: a two-layer MLP from a prompt's hidden state to a Beta distribution over its success."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from adaqueue.errors import FingerprintError

Floats = NDArray[np.float64]
HELD_OUT_SHARE = 0.15
FEWEST_QUERIES = 10
STEPS = 600
PATIENCE = 60
LARGEST_LOG = 6.0


class MlpProbe(nn.Module):
    """Standardises the hidden state, then linear, GELU, linear to (log alpha, log beta).

    Args:
        size: length of the hidden state.
        hidden: width of the middle layer.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int, hidden: int = 128) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.first = nn.Linear(size, hidden)
        self.second = nn.Linear(hidden, 2)

    def forward(self, states: Tensor) -> Tensor:
        """Returns (alpha, beta), float32[n, 2], each within e**-6 to e**6."""
        middle = nn.functional.gelu(self.first((states - self.mean) / self.scale))
        logs: Tensor = self.second(middle)
        return (LARGEST_LOG * torch.tanh(logs / LARGEST_LOG)).exp()

    def predict(self, states: NDArray[np.float32]) -> Floats:
        """Returns (alpha, beta), float64[n, 2], of hidden states float32[n, size]."""
        if states.shape[1] != self.mean.shape[0]:
            raise FingerprintError(f"the probe reads {self.mean.shape[0]} features, not {states.shape[1]}")
        with torch.inference_mode():
            return np.asarray(self(torch.from_numpy(states.copy())).double().numpy())

    def to_bytes(self) -> bytes:
        """Returns the weights as safetensors."""
        return save({name: tensor.contiguous() for name, tensor in self.state_dict().items()})


def from_bytes(data: bytes, sha256: str) -> MlpProbe:
    """Returns the probe with these weights, as `to_bytes` gave them.

    Raises:
        FingerprintError: the data is not what was registered, or holds something else.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FingerprintError(f"the weights do not have the digest that was registered, {sha256}")
    try:
        tensors = load(data)
        probe = MlpProbe(tensors["mean"].shape[0], tensors["first.bias"].shape[0])
        probe.load_state_dict(tensors)
    except (SafetensorError, LookupError, RuntimeError) as error:
        raise FingerprintError(f"the weights hold no probe: {error}") from error
    return probe.eval()


def fit(states: NDArray[np.float32], successes: NDArray[np.int64], samples: int, seed: int) -> MlpProbe:
    """Returns the probe that best explains the counts, by the beta-binomial likelihood on held-out queries.

    Args:
        states: hidden states, [n, size].
        successes: verified successes of each query, [n], 0..samples.
        samples: samples drawn of each query.
        seed: of the split and the first weights.

    Raises:
        ValueError: there are too few queries to hold any out.
    """
    if len(states) < FEWEST_QUERIES:
        raise ValueError(f"a probe needs at least {FEWEST_QUERIES} queries, not {len(states)}")
    with _one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        x, y = torch.from_numpy(states.copy()), torch.from_numpy(successes).float()
        order = torch.randperm(len(x))
        held_out, kept = order[: int(HELD_OUT_SHARE * len(x))], order[int(HELD_OUT_SHARE * len(x)) :]
        probe = MlpProbe(states.shape[1])
        probe.mean.copy_(x[kept].mean(dim=0))
        probe.scale.copy_(x[kept].std(dim=0) + 1e-3)
        _descend(probe, (x[kept], y[kept]), (x[held_out], y[held_out]), samples)
    return probe.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tensors this small gain nothing from threads, and wait for one another where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _descend(
    probe: MlpProbe, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], samples: int
) -> None:
    """Full-batch AdamW until the held-out loss stops falling for `PATIENCE` steps; keeps the best weights."""
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3, weight_decay=0.05)
    best, best_loss, best_step = probe.to_bytes(), float("inf"), 0
    for step in range(STEPS):
        optimizer.zero_grad()
        loss(probe(train[0]), train[1], samples).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            held_out = float(loss(probe(test[0]), test[1], samples))
        if held_out < best_loss:
            best, best_loss, best_step = probe.to_bytes(), held_out, step
        elif step - best_step > PATIENCE:
            break
    probe.load_state_dict(load(best))


def loss(beta: Tensor, successes: Tensor, samples: int) -> Tensor:
    """Mean of -log B(y + alpha, n - y + beta) + log B(alpha, beta): the beta-binomial likelihood."""
    alpha, rest = beta[:, 0], beta[:, 1]
    return (_log_beta(alpha, rest) - _log_beta(successes + alpha, samples - successes + rest)).mean()


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
