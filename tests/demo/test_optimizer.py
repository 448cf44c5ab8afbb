"""Proves that the training's optimizer moves every parameter and gives Muon's updates their even strength."""

import pytest
import torch
from torch import nn

from adaqueue.demo.optimizer import MuonAndAdamW, orthogonalized


@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_an_orthogonalized_matrix_keeps_its_shape_and_has_singular_values_near_one(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalized(matrix)
    values = torch.linalg.svdvals(result)
    assert result.shape == shape
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_a_step_moves_matrices_and_vectors_downhill_and_clears_the_gradients() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = MuonAndAdamW(model)
    inputs = torch.randn(64, 8)
    targets = inputs.sum(dim=1, keepdim=True)
    losses = []
    for _ in range(50):
        loss = (model(inputs) - targets).square().mean()
        losses.append(loss.item())
        loss.backward()
        optimizer.step(learning_rate=5e-2)
    assert losses[-1] < losses[0] / 2
    assert all(parameter.grad is None for parameter in model.parameters())
