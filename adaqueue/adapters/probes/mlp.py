"""The network of most heads, two layers, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

HIDDEN = 128
FARTHEST = 10.0
RATE = 3e-3
DECAY = 0.1
ROUNDS = 200
PATIENCE = 6
BATCH = 256
BATCHES = 8


class Mlp(nn.Module):
    """Standardises a vector, then linear, GELU, linear.

    Args:
        size: length of the vector.
        outputs: numbers returned.
        hidden: width of the middle layer.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int, outputs: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.first = nn.Linear(size, hidden)
        self.second = nn.Linear(hidden, outputs)

    def forward(self, vectors: Tensor) -> Tensor:
        """Returns float32[n, outputs] of vectors float32[n, size]."""
        inside = ((vectors - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST)
        found: Tensor = self.second(nn.functional.gelu(self.first(inside)))
        return found

    def standardise(self, vectors: Tensor) -> None:
        """Learns mean and scale from vectors; what hardly varies is left nearly as it is."""
        self.mean.copy_(vectors.mean(dim=0))
        self.scale.copy_(vectors.std(dim=0, correction=0) + 1e-3)


def descend(
    net: Mlp, loss: Callable[[Tensor, Tensor], Tensor], kept: Tensor, held_out: Tensor, vectors: Tensor
) -> None:
    """Trains by AdamW in batches until the held-out loss stops falling for `PATIENCE` rounds; keeps the best.

    Args:
        net: trained in place.
        loss: mean loss of outputs, float32[k, outputs], of the queries in rows int64[k].
        kept: rows to train on.
        held_out: rows that decide when to stop.
        vectors: of all rows, float32[n, size].
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    best, best_loss, waited = deepcopy(net.state_dict()), float("inf"), 0
    size = max(BATCH, len(kept) // BATCHES)
    for _ in range(ROUNDS):
        for batch in torch.split(kept[torch.randperm(len(kept))], size):
            optimizer.zero_grad()
            loss(net(vectors[batch]), batch).backward()  # type: ignore[no-untyped-call] # torch has no types here
            optimizer.step()
        with torch.no_grad():
            found = float(loss(net(vectors[held_out]), held_out))
        waited += 1
        if found < best_loss:
            best, best_loss, waited = deepcopy(net.state_dict()), found, 0
        elif waited > PATIENCE:
            break
    net.load_state_dict(best)


@contextmanager
def one_thread() -> Iterator[None]:
    """Tensors this small gain nothing from threads, and wait for one another where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
