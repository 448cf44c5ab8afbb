"""What counts as the expected output or result, and what does not."""

from typing import Any

import pytest

from adaqueue.adapters import taco_compare
from adaqueue.adapters.code_compare import outputs_comparer, same_output, same_value, values_comparer
from adaqueue.adapters.code_wire import Request
from adaqueue.adapters.sandbox.codec import Opaque


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("1 2\n", b"1 2"),
        ("1\n2\n", b"1 2\n\n"),
        ("0.5", b"0.5000000001"),
        ("1e3", b"1000"),
        ("-2.50", b"-2.5"),
        ("1.0", b"1"),
        ("", b" \n"),
        ("é", "é".encode()),
    ],
)
def test_an_output_with_the_expected_tokens_is_right(expected: str, output: bytes) -> None:
    assert same_output(expected, output)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("1 2", b"12"),
        ("1 2 3", b"1 2"),
        ("1", b"1 2"),
        ("3", b"3.0"),
        ("3", b"03"),
        ("0.5", b"0.50001"),
        ("0.5", b"nan"),
        ("0.5", b"half"),
        ("1.0", b"1_0.0"),
        ("yes", b"YES"),
        ("3", b"3\x00\xff"),
        ("nan", b"0.0"),
        ("1e400", b"5"),
        ("0.5", b"1" * 1_000_000 + b"x"),
    ],
)
def test_an_output_with_other_tokens_is_wrong(expected: str, output: bytes) -> None:
    assert not same_output(expected, output)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (3, 3),
        ([1, [2]], (1, [2])),
        ({"a": [1]}, {"a": (1,)}),
        (2.0, 2),
        (0.3, 0.1 + 0.2),
        (None, None),
        (True, True),
        ("x", "x"),
    ],
)
def test_a_result_of_the_expected_type_and_value_is_right(expected: Any, given: Any) -> None:
    assert same_value(expected, given)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (3, 3.0),
        (1, True),
        (True, 1),
        (1.0, True),
        (0, None),
        ("3", 3),
        ([1, 2], [1]),
        ([1, 2], {1, 2}),
        ({"1": 2}, {1: 2}),
        (0.5, float("nan")),
        (3, Opaque()),
    ],
)
def test_a_result_of_another_type_or_value_is_wrong(expected: Any, given: Any) -> None:
    assert not same_value(expected, given)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("1 2", b"12"),
        ("1 2", b"2112"),
        ("1\n2", b"12"),
        ("3.00001\n4", b"34"),
        ("1 2\n3", b"3 21"),
        ("\n1 2 \n", b" \n1 2"),
        ("1\n2", b"1\r\n2\r\n"),
        ("a b", b"ab"),
        ("10 20", b"10 20\n"),
    ],
)
def test_the_taco_comparison_takes_what_its_script_takes(expected: str, output: bytes) -> None:
    assert outputs_comparer("taco")(expected, output)


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("3", b"3.0"),
        ("10 20", b"10  20"),
        ("10\n20", b"10 \n20"),
        ("0.5", b"0.5000000001"),
        ("3", b"3\xff"),
        ("inf", b"5"),
        ("1 2", b"1 3"),
    ],
)
def test_the_taco_comparison_refuses_what_its_script_refuses(expected: str, output: bytes) -> None:
    assert not outputs_comparer("taco")(expected, output)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (3, 3.0),
        (1, True),
        ([3], 3),
        ([[1, 2]], [1, 2]),
        ([[[1], [2]]], [(1,), (2,)]),
        ([1, 2], (1, 2)),
        ({"1": 2}, {1: 2}),
        ([{"1": 2}], {1: 2}),
        ({"a": 2}, {"a": 2}),
    ],
)
def test_the_taco_comparison_takes_results_that_its_script_takes(expected: Any, given: Any) -> None:
    assert values_comparer("taco")(expected, given)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (0.3, 0.1 + 0.2),
        ([[1], [2]], [(1,), (2,)]),
        ([(1, 2), 3], [(1, 2), 4]),
        ({"1": 2}, {"1": 2}),
        ([], None),
        ([1, 2], {1, 2}),
        (3, Opaque()),
    ],
)
def test_the_taco_comparison_refuses_results_that_its_script_refuses(expected: Any, given: Any) -> None:
    assert not values_comparer("taco")(expected, given)


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ([{"1": 2}], [{1: 2}]),
        ([{"a": 2}, 3], [{"a": 2}, 3]),
        ([[{"1": 2}]], [[{"1": 2}]]),
        ([], []),
    ],
)
def test_the_taco_way_gives_a_first_argument_its_whole_keys_back(given: list[Any], called: list[Any]) -> None:
    assert taco_compare.arguments(given) == called


@pytest.mark.parametrize(
    ("style", "source", "line"),
    [
        ("stdin", "import os\nfrom re import *\nx: List = [sqrt(4.0), gcd(4, 6), os.sep]", 2),
        ("stdin", "x: List = [sqrt(4.0), gcd(4, 6), stdin.encoding]\nimport os", 0),
        ("stdin", "import os", 1),
        ("function", "import os\ndef f(x: List[int]): return Counter(x)", 0),
        ("assert", "def f(x: Tuple[int]): return np and x", 0),
    ],
)
def test_the_taco_way_puts_usual_imports_before_the_first_line_that_imports_nothing(
    style: str, source: str, line: int
) -> None:
    text = Request((source,), {"style": style}, comparison="taco").sources[0]
    assert text.split("\n")[:line] == source.split("\n")[:line]
    assert text.endswith("\n".join(source.split("\n")[line:]))
    exec(compile(text, "s", "exec"), {})  # noqa: S102 - the test's own text
    assert Request((source,), {"style": style}).sources == (source,)


def test_every_comparison_but_the_strict_one_marks_the_route_and_an_unknown_one_is_refused() -> None:
    reference = {"style": "stdin", "tests": [["", ""]]}
    strict, taco = Request((), reference), Request((), reference, comparison="taco")
    assert (strict.route, taco.route) == ("stdin", "stdin:taco")
    assert Request.from_bytes(taco.to_bytes()) == taco
    with pytest.raises(ValueError, match="lax"):
        Request((), reference, comparison="lax")  # type: ignore[arg-type]
