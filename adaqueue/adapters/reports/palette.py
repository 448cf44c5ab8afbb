"""Colours, dashes and marks: a policy looks the same in every figure, in light and in dark, for every eye.

Hues are told apart by people who see fewer of them; marks differ as well. Drawings use the light scheme's
values, each of which is one variable of the page's style.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tone:
    """One colour of the page.

    Attributes:
        light: on a light ground, `#rrggbb`; no two tones share it.
        dark: on a dark ground.
    """

    light: str
    dark: str


TONES = {
    "ground": Tone("#ffffff", "#14171c"),
    "panel": Tone("#f4f5f7", "#1d2128"),
    "ink": Tone("#1a1d21", "#e8eaed"),
    "quiet": Tone("#565d67", "#a9b0ba"),
    "grid": Tone("#d9dce1", "#363c46"),
    "link": Tone("#005a9c", "#7cc0ff"),
    "alarm": Tone("#a8100c", "#ff9a8f"),
    "blue": Tone("#0068b0", "#4fb0ff"),
    "orange": Tone("#b9540a", "#ff9b4a"),
    "grey": Tone("#6d7480", "#a3aab5"),
    "pink": Tone("#c81e66", "#ff7fb2"),
    "teal": Tone("#007d6c", "#3fd0b6"),
    "olive": Tone("#7a7110", "#d3c64a"),
    "black": Tone("#2b2f36", "#d6dae0"),
}
"""By name; the page's style has a variable for each."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a policy is drawn.

    Attributes:
        tone: name of its colour.
        mark: of its points, as matplotlib names marks.
        dash: of its line, as matplotlib names dashes.
        width: of its line, points.
    """

    tone: str
    mark: str
    dash: str = "-"
    width: float = 1.4


LOOKS = {
    "uniform": Look("grey", "o"),
    "uniform_early_stop": Look("orange", "s"),
    "window": Look("pink", "^"),
    "bins": Look("teal", "D"),
    "beta_window": Look("olive", "v"),
    "sequential": Look("blue", "o", width=2.4),
    "oracle": Look("black", "x", ":"),
    "sequential_oracle": Look("black", "+", "-."),
    "window_early_stop": Look("pink", "<", "--"),
    "beta_window_early_stop": Look("olive", ">", "--"),
    "sequential_beta": Look("blue", "P", "--"),
    "random": Look("grey", "o"),
    "routed": Look("blue", "o", width=2.4),
    "routed_by_tfidf": Look("pink", "^", "--"),
    "routed_by_length": Look("olive", "v", "--"),
    "cascade": Look("black", "+", "-."),
    "strong": Look("orange", "s", "--"),
    "weak": Look("teal", "D", "--"),
}
"""By policy."""

OTHERS = (
    Look("teal", "*", "--"),
    Look("orange", "p", "--"),
    Look("pink", "h", "--"),
    Look("olive", "8", "--"),
)
"""For policies that are not in the table, in their order."""


def look_of(policy: str, place: int = 0) -> Look:
    """Returns how a policy is drawn; `place` counts those without a look of their own."""
    return LOOKS.get(policy) or OTHERS[place % len(OTHERS)]


def hue(tone: str) -> str:
    """Returns a tone's value in drawings."""
    return TONES[tone].light
