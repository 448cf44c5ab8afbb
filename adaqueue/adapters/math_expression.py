"""Reads one LaTeX or plain expression into a tree; what has two readings is refused, not guessed."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TypeAlias

from adaqueue.adapters.math_tokens import FUNCTIONS, UnreadableError, tokens_of

Node: TypeAlias = "Fraction | tuple[str, str] | tuple[str, Node] | tuple[str, Node, Node]"
"""A number, ("symbol", its name), ("constant", its name), or an operation with its arguments."""

MAX_CHARACTERS = 500
MAX_DEPTH = 40

_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
# fmt: off
_GREEK = frozenset({
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "kappa", "lambda",
    "mu", "nu", "xi", "rho", "sigma", "tau", "phi", "varphi", "chi", "psi", "omega", "Delta", "Omega",
})
# fmt: on
_PAIRS = {"(": ")", "[": "]", "{": "}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil", r"\lvert": r"\rvert"}
_TIMES = frozenset({"*", r"\times", r"\cdot"})
_OVER = frozenset({"/", r"\div"})
_ENDS = frozenset({")", "]", "}", "|", r"\rfloor", r"\rceil", r"\rvert"})
_NUMBER = re.compile(r"\d|\.\d")
_OTHER = re.compile(
    r"(?<![\d.])0[\dA-Za-z]|\d{4}-\d\d?-\d"  # dates, codes
    r"|\d ?(?:st|nd|rd|th)(?![A-Za-z])|^ ?\([A-Z]\) ?[\w\\]|\\begin"  # ordinals, choices
    r"|\^ ?\{ ?\(\d+\) ?\}"  # the derivative of that order
    r"|\\frac ?\{ ?d(?: ?\^ ?\{?\d\}?)? ?[A-Za-z]?(?: ?\([a-z]\))? ?\}\{ ?d ?[A-Za-z]"
    r"|(?<![A-Za-z])d ?[A-Za-z]?/d ?[A-Za-z]"  # derivatives
)
"""What would read as an expression and is none."""
_MIXED = re.compile(r"\\frac\{(\d+)\}\{(\d+)\}")


def read_expression(text: str) -> Node:
    """Returns the tree of an expression in the spelling of `math_spelling.normalise`.

    Raises:
        UnreadableError: it is none, or its meaning would have to be guessed: `1/2x`, `f(x+1)`, `2 3`.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError("too long")
    if _OTHER.search(text):
        raise UnreadableError("a date, an ordinal, a choice or a derivative")
    reader = _Reader(tokens_of(text))
    tree = reader.sum()
    if reader.ahead:
        raise UnreadableError(f"what {reader.ahead} is for")
    return tree


class _Reader:
    """Recursive descent; each method reads as much as its name says."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        self._in_bars = False

    @property
    def ahead(self) -> str:
        """The next token, "" at the end."""
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def sum(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError("too deep")
        tree = self._product()
        while self.ahead in {"+", "-"}:
            operation = "add" if self._take() == "+" else "subtract"
            tree = (operation, tree, self._product())
        self._depth -= 1
        return tree

    def _take(self, expected: str = "") -> str:
        token = self.ahead
        if not token or (expected and token != expected):
            raise UnreadableError(f"{token or 'the end'} instead of {expected or 'more'}")
        self._place += 1
        return token

    def _product(self) -> Node:
        tree = self._signed()
        divided = False
        while self.ahead:
            if self.ahead in _TIMES:
                self._take()
                tree, divided = ("multiply", tree, self._signed()), False
            elif self.ahead in _OVER:
                if divided:
                    raise UnreadableError("two slashes")
                self._take()
                tree, divided = ("divide", tree, self._signed()), True
            elif self.ahead in {"+", "-"} or self._ends():
                break
            elif divided or (_NUMBER.match(self.ahead) and _NUMBER.match(self._tokens[self._place - 1])):
                raise UnreadableError("a product whose factors could be told apart in two ways")
            else:
                tree = ("multiply", tree, self._factor())
        return tree

    def _ends(self) -> bool:
        return self.ahead in _ENDS and not (self.ahead == "|" and not self._in_bars)

    def _signed(self) -> Node:
        sign = 1
        while self.ahead in {"+", "-"}:
            sign *= -1 if self._take() == "-" else 1
        factor = self._factor()
        return ("negate", factor) if sign < 0 else factor

    def _factor(self) -> Node:
        tree = self._base()
        while self.ahead in {"^", "!", "%", r"\%", r"\degree"}:
            mark = self._take()
            if mark == "^":
                tree = ("power", tree, self._exponent())
            elif mark == "!":
                if self.ahead == "!":
                    raise UnreadableError("a double factorial")
                tree = ("factorial", tree)
            elif mark == r"\degree":
                tree = ("multiply", tree, ("divide", ("constant", "pi"), Fraction(180)))
            else:
                tree = ("divide", tree, Fraction(100))
        return tree

    def _exponent(self) -> Node:
        if self.ahead in {"+", "-"}:
            return self._signed_atom()
        tree = self._base()
        if self.ahead == "^":
            self._take()
            tree = ("power", tree, self._exponent())
        if self.ahead == "!":
            raise UnreadableError("a factorial above or below")
        return tree

    def _signed_atom(self) -> Node:
        sign = self._take()
        tree = self._base()
        return ("negate", tree) if sign == "-" else tree

    def _base(self) -> Node:
        taken = self._take()
        if _NUMBER.match(taken):
            return self._number(taken)
        if taken in _PAIRS:
            return self._group(taken)
        if taken == "|":
            return self._bars()
        if taken.isalpha():
            return self._symbol(taken)
        if taken[0] == "\\":
            return self._command(taken[1:])
        raise UnreadableError(f"what {taken} is for")

    def _number(self, token: str) -> Node:
        value = Fraction(token)
        parts = _MIXED.fullmatch("".join(self._tokens[self._place : self._place + 7]))
        if parts is None or not token.isdigit():
            return value
        if int(parts[1]) >= int(parts[2]):
            raise UnreadableError("a product or a mixed number")
        self._place += 7
        return value + Fraction(int(parts[1]), int(parts[2]))

    def _group(self, opening: str) -> Node:
        bars, self._in_bars = self._in_bars, False
        tree = self.sum()
        self._take(_PAIRS[opening])
        self._in_bars = bars
        named = {r"\lfloor": "floor", r"\lceil": "ceiling", r"\lvert": "absolute"}.get(opening)
        return (named, tree) if named else tree

    def _bars(self) -> Node:
        if self._in_bars:
            raise UnreadableError("bars within bars")
        self._in_bars = True
        tree = self.sum()
        self._take("|")
        self._in_bars = False
        return ("absolute", tree)

    def _symbol(self, letter: str) -> Node:
        if (letter in "fgh" or letter.isupper()) and self.ahead in {"(", "["}:
            raise UnreadableError("a function or a product")
        if letter in {"e", "i"} and self.ahead != "_":
            return ("constant", letter)
        return ("symbol", letter + self._subscript())

    def _subscript(self) -> str:
        if self.ahead != "_":
            return ""
        self._take()
        if self.ahead != "{":
            if len(self.ahead) > 1 and self.ahead[0] != "\\":
                raise UnreadableError("a number of which one digit is below")
            return "_" + self._take()
        name = ""
        self._take()
        while self.ahead != "}":
            name += self._take()
        self._take()
        return "_" + name

    def _command(self, name: str) -> Node:
        if name in {"frac", "binom"}:
            return ("divide" if name == "frac" else "binomial", self._argument(), self._argument())
        if name in {"pi", "infty"}:
            return ("constant", name)
        if name == "sqrt":
            return self._root()
        if name in FUNCTIONS:
            return self._function(name)
        if name in _GREEK:
            return ("symbol", name + self._subscript())
        raise UnreadableError(f"the command {name}")

    def _argument(self) -> Node:
        if self.ahead == "{":
            return self._base()
        if len(self.ahead) > 1 and self.ahead != r"\pi":
            raise UnreadableError("an argument without braces")
        return self._base()

    def _root(self) -> Node:
        degree: Node = Fraction(2)
        if self.ahead == "[":
            degree = self._base()
        if self.ahead not in {"{", "("}:
            token = self.ahead
            if not (token.isdigit() and len(token) == 1) and not (token.isalpha() and token.islower()):
                raise UnreadableError("a root of what")
        return ("root", degree, self._base())

    def _function(self, name: str) -> Node:
        base, power = self._base_of_logarithm(name), None
        if self.ahead == "^":
            self._take()
            power = self._base_or_sign()
        if power == Fraction(-1) and name in _INVERSE:
            name, power = _INVERSE[name], None
        if power is not None and not (isinstance(power, Fraction) and power > 0):
            raise UnreadableError("a function to a power that is no whole number")
        argument = self._function_argument()
        tree: Node = (name, argument) if base is None else ("logarithm", base, argument)
        return tree if power is None else ("power", tree, power)

    def _base_or_sign(self) -> Node:
        tree = self._exponent()
        if isinstance(tree, tuple) and tree[0] == "negate" and isinstance(tree[1], Fraction):
            return -tree[1]
        return tree

    def _base_of_logarithm(self, name: str) -> Node | None:
        if name != "log" or self.ahead != "_":
            return None
        self._take()
        return self._base()

    def _function_argument(self) -> Node:
        if self.ahead in {"(", "[", "{", "|"}:
            return self._base()
        tree = self._simple_factor()
        while self._is_simple():
            tree = ("multiply", tree, self._simple_factor())
        if self.ahead in {"(", "[", "/", "|"}:
            raise UnreadableError("where an argument ends")
        return tree

    def _is_simple(self) -> bool:
        token = self.ahead
        return bool(token) and (
            token.isalnum() or token in {r"\pi", r"\frac", r"\sqrt"} or token[1:] in _GREEK or "." in token
        )

    def _simple_factor(self) -> Node:
        if not self._is_simple():
            raise UnreadableError("a function of what")
        return self._factor()
