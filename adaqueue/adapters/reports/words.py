"""Numbers in words: one way to write each kind, wherever it stands."""

from __future__ import annotations

from collections.abc import Sequence

NOT_REACHED = "not reached"
UNKNOWN = "unknown"


def share(value: float | None) -> str:
    """Returns a share as a percentage with a decimal; None was never reached."""
    return NOT_REACHED if value is None else f"{100 * value:.1f}%"


def percent(value: float | None) -> str:
    """Returns a share as a whole percentage; None was never reached."""
    return NOT_REACHED if value is None else f"{100 * value:.0f}%"


def share_range(low: float | None, high: float | None) -> str:
    """Returns an interval of shares as whole percentages."""
    if low is None and high is None:
        return "never reached"
    if high is None:
        return f"{percent(low)} to never"
    return f"{100 * (low or 0.0):.0f}-{percent(high)}"


def number(value: float | None) -> str:
    """Returns a reward or a loss with three decimals; None could not be told."""
    return UNKNOWN if value is None else f"{value:.3f}"


def samples(value: float) -> str:
    """Returns samples a query with as many decimals as tell something."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def points(low: float | None, high: float | None) -> str:
    """Returns the interval of a difference of shares, in percentage points; None was never reached."""
    ends = ["never" if end is None else f"{100 * end:+.1f}" for end in (low, high)]
    return f"{ends[0]} to {ends[1]}"


def listed(items: Sequence[str]) -> str:
    """Returns the items as a phrase: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
