"""Files of recorded outcomes: the good rows, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console

from adaqueue.cli.lines import read_lines
from adaqueue.core.recorded import RecordedQuery, odd_ones
from adaqueue.errors import BadOutcomesError, BadQueryError

MOST_COMPLAINTS = 20
OUTCOMES = ("n", "successes", "rewards", "samples", "weak", "strong")
"""Fields, one of which a row of outcomes has."""


@dataclass
class Rows:
    """What a file holds.

    Attributes:
        queries: of the good rows, in order.
        refusals: what is wrong with the others, by line.
        banked: rows without any outcome, refused among the others.
    """

    queries: list[RecordedQuery] = field(default_factory=list)
    refusals: dict[int, BadQueryError] = field(default_factory=dict)
    banked: int = 0

    @property
    def is_bank(self) -> bool:
        """Whether the file holds queries and no outcomes at all."""
        return 0 < self.banked == len(self.refusals) and not self.queries

    def check(self, before: str = "") -> None:
        """Refuses a bank of queries; raises BadOutcomesError, which says what to do."""
        if self.is_bank:
            raise BadOutcomesError(
                f"{before}none of its {self.banked:,} rows holds outcomes: it is a bank of queries. Draw "
                "samples of each with your model, and give what became of them in its row: n and successes, "
                "rewards, or samples with a reward each"
            )

    def complain(self, name: str, console: Console) -> None:
        """Says what is wrong with rows, the first of them one by one; of a bank nothing, see `check`."""
        if self.is_bank:
            return
        for line, refusal in list(self.refusals.items())[:MOST_COMPLAINTS]:
            say(console, f"{name}: line {line}: {refusal}")
        if len(self.refusals) > MOST_COMPLAINTS:
            words = f"{len(self.refusals):,} lines refused, these are the first {MOST_COMPLAINTS}"
            say(console, f"{name}: {words}")


def read_rows(path: str) -> Rows:
    """Returns the rows of a file; `-` is stdin.

    Raises:
        UnavailableError: the file cannot be read.
    """
    found, good = Rows(), dict[int, RecordedQuery]()
    for line in read_lines(path):
        try:
            row = line.row()
            found.banked += _is_banked(row)
            good[line.number] = RecordedQuery.from_row(row, line.number)
        except BadQueryError as error:
            found.refusals[line.number] = error
    odd = odd_ones(good)
    found.queries += [query for line, query in good.items() if line not in odd]
    found.refusals = dict(sorted({**found.refusals, **odd}.items()))
    return found


def _is_banked(row: Mapping[str, object]) -> bool:
    return "prompt" in row and all(row.get(name) is None for name in OUTCOMES)


def say(console: Console, words: str) -> None:
    """Prints a complaint, uncut."""
    console.print(words, style="red", soft_wrap=True, markup=False, highlight=False)
