"""Self-consistency: which answer most samples of a query agree on, and how certain its lead is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.special import betainc

NO_GROUP = -1
"""Group of a sample that holds no answer."""


@dataclass(frozen=True, slots=True)
class Consensus:
    """The largest group of equal answers.

    Attributes:
        leader: place of the group's first sample.
        votes: samples in the group.
        runner_up: samples in the next largest group, 0 where there is none.
        total: samples that hold an answer.
    """

    leader: int
    votes: int
    runner_up: int
    total: int


def groups(answers: Sequence[str | None], same: Callable[[str, str], bool]) -> list[int]:
    """Returns each sample's group, numbered from 0 in order of first appearance; -1 without an answer.

    An answer is compared with each group's first member alone: `same` need not be transitive.

    Args:
        answers: final answers, None where a sample holds none.
        same: whether two different texts are the same answer; asked once for each text and group at most.
    """
    found: dict[str, int] = {}
    first: list[str] = []
    for text in answers:
        if text is None or text in found:
            continue
        number = next((place for place, member in enumerate(first) if same(member, text)), len(first))
        if number == len(first):
            first.append(text)
        found[text] = number
    return [NO_GROUP if text is None else found[text] for text in answers]


def leader(numbers: Sequence[int]) -> Consensus | None:
    """Returns the largest group, the earliest of equal ones; None where no sample holds an answer.

    Args:
        numbers: each sample's group, as `groups` gives them.
    """
    votes = Counter(number for number in numbers if number != NO_GROUP)
    if not votes:
        return None
    (best, most), *others = votes.most_common()  # equal counts stay in order of first appearance
    return Consensus(numbers.index(best), most, others[0][1] if others else 0, votes.total())


def certainty(first: int, second: int) -> float:
    """Returns the probability that the leader would also lead among endless samples, in [0.5, 1).

    With a uniform prior, the share p of the leader among the votes for the two has the posterior
    Beta(first + 1, second + 1), and P(p > 1/2) is told (Aggarwal et al. 2023, arXiv 2305.11860, Section 3).

    Args:
        first: votes for the leader.
        second: votes for the runner-up, at most as many.

    Raises:
        ValueError: a count is negative, or the runner-up has more votes.
    """
    if not 0 <= second <= first:
        raise ValueError(f"a leader with {first} votes cannot have a runner-up with {second}")
    return float(betainc(second + 1, first + 1, 0.5))
