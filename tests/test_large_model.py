"""Proves that the estimate for a large model is the arithmetic that the documentation shows."""

from __future__ import annotations

import pytest

from benchmarks.large_model import SETTING, estimates, highest_rate, prefill_seconds, share


def test_a_prefill_is_two_operations_a_parameter_and_token() -> None:
    assert prefill_seconds(100) == pytest.approx(2 * 7.25e9 * 100 / (0.5 * 989e12))


def test_a_full_batch_reads_the_weights_once_and_each_samples_keys_and_values() -> None:
    read = 2 * 7.25e9 + 256 * 131_072 * 356
    assert highest_rate(356) == pytest.approx(256 / (read / (0.8 * 3.35e12)))


def test_the_share_is_of_a_prefill_and_all_sampled_tokens() -> None:
    assert share(100, 4 * 512, SETTING.published_rate) == pytest.approx(
        0.00293 / (0.00293 + 0.16384), rel=1e-3
    )
    found = estimates(4)
    assert found["estimated_7b_share_512_tokens"] < 0.02 < found["estimated_7b_share_512_tokens_at_most"]
