"""What became of queries, as probes are trained and judged on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from adaqueue.core.curves import recorded_survival
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.query import Message, prompt_text

States = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Queries with what was drawn for them, a row each; samples without a verdict are left out.

    Attributes:
        ids: of the queries, n of them.
        messages: their prompts.
        states: hidden states, float32[n, size]; None where none were computed.
        rewards: 1 for each verified success and 0 for each failure, in the order of drawing, of each query.
            Real rewards where the domain has them.
        stopped: whether the number of samples depends on their rewards, as where a success ends the drawing;
            shape (n,). The mean y/n of such a query is biased, its likelihood is not.
        groups: queries of one number are near duplicates, and stay on one side of every split; shape (n,).
        tokens: generated tokens of a sample, mean for each query, NaN where unknown; shape (n,).
    """

    ids: tuple[str, ...]
    messages: tuple[tuple[Message, ...], ...]
    states: States | None
    rewards: tuple[tuple[float, ...], ...]
    stopped: BoolArray
    groups: IntArray
    tokens: FloatArray

    def __post_init__(self) -> None:
        lengths = {
            "messages": len(self.messages),
            "rewards": len(self.rewards),
            "stopped": len(self.stopped),
            "groups": len(self.groups),
            "tokens": len(self.tokens),
            **({} if self.states is None else {"states": len(self.states)}),
        }
        wrong = {name: length for name, length in lengths.items() if length != len(self.ids)}
        if wrong:
            raise ValueError(f"{len(self.ids)} queries need as many of each, not {wrong}")

    def __len__(self) -> int:
        """Returns n."""
        return len(self.ids)

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompts as plain text, messages joined by line breaks."""
        return tuple(map(prompt_text, self.messages))

    @cached_property
    def successes(self) -> IntArray:
        """Verified successes y of each query, shape (n,)."""
        return np.array([sum(reward > 0 for reward in row) for row in self.rewards], dtype=np.int64)

    @cached_property
    def samples(self) -> IntArray:
        """Verified samples of each query, shape (n,)."""
        return np.array([len(row) for row in self.rewards], dtype=np.int64)

    def take(self, rows: IntArray) -> Outcomes:
        """Returns the chosen queries, in the order given."""
        return Outcomes(
            tuple(self.ids[row] for row in rows),
            tuple(self.messages[row] for row in rows),
            None if self.states is None else self.states[rows],
            tuple(self.rewards[row] for row in rows),
            self.stopped[rows],
            self.groups[rows],
            self.tokens[rows],
        )

    def survival(self, b_max: int) -> FloatArray:
        """Returns the chance that the first f draws all fail, shape (n, b_max + 1), NaN where not observed.

        Where the drawing did not depend on its rewards, every order of them is as likely, and the chance is
        `curves.recorded_survival`; where it did, the one order that was seen counts: 1 up to the
        first success, 0 after it.
        """
        known = np.full((len(self), b_max + 1), np.nan)
        for row, rewards in enumerate(self.rewards):
            drawn = min(len(rewards), b_max)
            if self.stopped[row]:
                known[row] = _as_drawn(rewards, b_max)
            else:
                known[row, : drawn + 1] = recorded_survival(
                    self.successes[row : row + 1], len(rewards), drawn
                )[0]
        return known


def _as_drawn(rewards: Sequence[float], b_max: int) -> FloatArray:
    failures = next((place for place, reward in enumerate(rewards) if reward > 0), len(rewards))
    row = np.full(b_max + 1, 0.0 if failures < len(rewards) else np.nan)
    row[: failures + 1] = 1.0
    return row
