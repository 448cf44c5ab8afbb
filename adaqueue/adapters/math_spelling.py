"""Writes answers in one spelling of what LaTeX and people write differently."""

from __future__ import annotations

import re

from adaqueue.adapters.math_unit import UNITS

MAX_ANSWER_CHARACTERS = 2_000
"""A longer answer is not found, one that is given is not normalised."""

UNION = "\N{UNION}"
"""How a normalised answer writes a union of sets."""
REALS = "\N{DOUBLE-STRUCK CAPITAL R}"
"""How it writes the set of real numbers."""

_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|mathrm|mathbf|mathit|mathsf|boldsymbol|mbox|operatorname)"
    r"\s*\{([^{}]*)\}"
)
_VECTOR = re.compile(r"\\(?:mathbf|boldsymbol|bm)\s*\{\s*([a-z])\s*\}")
_CHARACTERS = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DOT OPERATOR}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{SUPERSCRIPT TWO}": "^2",
        "\N{SUPERSCRIPT THREE}": "^3",
        "\N{HORIZONTAL ELLIPSIS}": r"\ldots ",
        "\N{EMPTY SET}": r"\emptyset ",
        "\N{FRACTION SLASH}": "/",
        "\N{ELEMENT OF}": r"\in ",
        "°": r"^\circ",
        "π": r"\pi ",
        "θ": r"\theta ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "±": r"\pm ",
        "½": r"\frac12",
        "⟨": "(",
        "⟩": ")",
    }
)
_SPELLINGS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+", " "),  # first, so that no pattern below meets a long run of spaces
        (r"^ ?\$* ?~", r"\\sim "),
        (r"\\\$", " dollar "),
        (r"√ ?(\d+(?:\.\d+)?|[a-z])", r"\\sqrt{\1}"),
        (r"√", r"\\sqrt"),
        (r"\\\*", "*"),
        (r"(?<=[,}])\\!", ""),
        (r"\\!", " "),
        (r"\$|(?<!\\)\\[()\[\]]|\*\*", ""),
        (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle)(?![a-zA-Z])", ""),
        (r"(?<=\d)\\,(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\[ ,;:]|\\q?quad(?![a-zA-Z])|~", " "),
        (r"\{,\}", ","),
        (r"\\%|\bpercent\b", "%"),
        (r"\\[dtc]frac", r"\\frac"),
        (r"\\frac\s*(?:\{([^{}]*)\}|(\w))\s*(?:\{([^{}]*)\}|(\w))", r"\\frac{\1\2}{\3\4}"),
        (r"\{ ?(\w+) ?\\choose ?(\w+) ?\}", r"\\binom{\1}{\2}"),
        (r"\^\s*\{?\s*\\circ\s*\}?", " degree "),
        (r"degree C(?![a-zA-Z])", "celsius"),
        (r"degree F(?![a-zA-Z])", "fahrenheit"),
        (r"\^\s*\{?\s*\\prime\s*\}?", "'"),
        (r"([_^])\s*\{\s*([^{}])\s*\}(?!\d)", r"\1\2"),
        (r"\\(?:times|cdot)(?![a-zA-Z])", "*"),
        (r"\\([lg])(?:eqslant|eqq)(?![a-zA-Z])", r"\\\1e"),
        (r"\\([lgn])eq?(?![a-zA-Z])", r"\\\1e"),
        (r"\\not ?=|=/=|!=", r"\\ne "),
        (r"<=|=<", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"\\(?:mid|vert)(?![a-zA-Z])", "|"),
        (r"\\[lr]angle(?![a-zA-Z])", lambda bracket: "(" if "l" in bracket[0][:2] else ")"),
        (r"\\[lc]?dots(?![a-zA-Z])|\.\.\.", "…"),
        (r"\\begin ?\{(?:[bp]|small)?matrix\}|\\begin ?\{array\} ?\{[clr| ]*\}", "⟦"),
        (r"\\end ?\{(?:(?:[bp]|small)?matrix|array)\}", "⟧"),
        (r"\\\\ ?(?=⟧)", ""),
        (r"\\\\", ";"),
        (r"&", ","),
        (r"\\\{|\\lbrace(?![a-zA-Z])", "⦃"),
        (r"\\\}|\\rbrace(?![a-zA-Z])", "⦄"),
        (r"\\cup(?![a-zA-Z])", UNION),
        (r"\\varnothing|⦃\s*⦄", r"\\emptyset"),
        (r"\\mathbb ?\{?R\}?|(?i:\ball real numbers\b|\ball reals\b)", REALS),
    )
]
_JOINED = re.compile(r"\b(?:and|or)\b")
_ASSIGNED = re.compile(r"([A-Za-z]\w*) ?=")
_INEQUALITY = re.compile(r"[<>]|\\[lg]e(?![a-zA-Z])")
_OR = re.compile(r" ?,? ?\bor\b ?")
_OR_AND = re.compile(r" ?,? ?\b(?:or|and)\b ?")
_ENDING = [(re.compile(r"\s+"), " "), (re.compile(r"(?<!\.)\.\s*$"), "")]


def normalise(text: str) -> str:
    r"""Returns the answer in one spelling of what LaTeX and people write differently.

    Dropped are math delimiters, sizes, `\text` (a unit inside it is spelled out) and a final full stop. "or"
    and "and" become commas, "or" between inequalities UNION; `\{1,2\}` becomes ⦃1,2⦄, `\cup` UNION, a matrix
    ⟦1,2;3,4⟧, an ellipsis …. A text too long to be an answer stays as it is.
    """
    if len(text) > MAX_ANSWER_CHARACTERS:
        return text.strip()
    text = text.translate(_CHARACTERS)
    text = _VECTOR.sub(r"\\vec{\1}", text)  # its products are not those of numbers
    for _ in range(2):
        text = _TEXT.sub(lambda wrapped: f" {_spelled_out(wrapped[1])} ", text)
    for spelling, replacement in _SPELLINGS:
        text = spelling.sub(replacement, text)
    text = _OR.sub(UNION, text) if _INEQUALITY.search(text) else _OR_AND.sub(",", text)
    for spelling, replacement in _ENDING:
        text = spelling.sub(replacement, text)
    return text.strip()


def differ_in_or(first: str, second: str) -> bool:
    """Whether one answer joins words or equations by "or" and the other does not: to numbers it is one."""
    joined = [set(_JOINED.findall(text)) for text in (first, second)]
    if ("or" in joined[0]) == ("or" in joined[1]) or any(map(_INEQUALITY.search, (first, second))):
        return False
    named = set(_ASSIGNED.findall(f"{first} {second}"))
    return len(named) > 1 or not any(map(str.isdigit, first + second))


def _spelled_out(words: str) -> str:
    """The names of units, also of quotients as `km/h`; other words as they are."""
    units = [UNITS.get(unit.strip()) for unit in words.split("/")]
    return words if None in units else "/".join(map(str, units))


def compact(text: str) -> str:
    """Returns a normalised answer without spaces, save between words or digits: `1 2` is not `12`."""
    return re.sub(r" (?!(?<=[\w.] )[\w.])", "", text)
