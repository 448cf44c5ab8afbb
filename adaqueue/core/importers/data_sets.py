"""Published data sets: where each lies, what is left out of it, what is asked, who verifies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from adaqueue.core.importers import apps, chats, humaneval, livecodebench, math_sets, mbpp


class Importer(Protocol):
    """Makes a row of a record."""

    def __call__(self, record: Mapping[str, Any], number: int, template: str | None = None) -> dict[str, Any]:
        """Returns the row.

        Args:
            record: as published.
            number: of the record in its file, from 1.
            template: of the prompt, with `{question}`; None: the set's own.

        Raises:
            BadQueryError: names the field that is wrong.
            SettingsError: the set takes no template.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hub:
    """Where a set lies on huggingface.co, in the words of `datasets.load_dataset`.

    Attributes:
        name: owner and name.
        split: taken if none is named.
        subsets: configurations, all of them one after another; None: the only one.
        files: pattern of its JSON lines, `{split}` stands for the split; given where the repository's own
            loader is a script, which is never run, or where a folder of it is meant.
    """

    name: str
    split: str
    subsets: tuple[str | None, ...] = (None,)
    files: str | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """One published set.

    Attributes:
        importer: makes rows of its records.
        hub: where it lies.
        licence: as its card says.
        verifier: domain, and what the reference is.
        filter: what is kept, in words.
        left_out: returns why a record is left out, "" if it is not; may raise BadQueryError.
    """

    importer: Importer
    hub: Hub
    licence: str
    verifier: str
    filter: str = "all"
    left_out: Callable[[Mapping[str, Any]], str] = lambda record: ""


MATH_SUBSETS = (
    *("algebra", "counting_and_probability", "geometry", "intermediate_algebra"),
    *("number_theory", "prealgebra", "precalculus"),
)
BOXED = "math: last boxed answer"
TESTS = "code: tests, stdin or function"
ASSERTS = "code: assertions"

DATA_SETS: Mapping[str, DataSet] = {
    "numina-cot": DataSet(
        math_sets.numina_row,
        Hub("AI-MO/NuminaMath-CoT", "train"),
        "Apache-2.0",
        BOXED,
        "no multiple choice; a boxed answer",
        math_sets.numina_left_out,
    ),
    "math": DataSet(
        math_sets.math_row,
        Hub("EleutherAI/hendrycks_math", "test", MATH_SUBSETS),
        "MIT",
        BOXED,
        "a boxed answer",
        math_sets.boxed_left_out,
    ),
    "gsm8k": DataSet(
        math_sets.gsm8k_row, Hub("openai/gsm8k", "test", ("main",)), "MIT", "math: answer after ####"
    ),
    "taco": DataSet(
        apps.taco_row,
        Hub("BAAI/TACO", "train", ("ALL",)),
        "Apache-2.0",
        TESTS,
        "not from geeksforgeeks or aizu; with tests",
        apps.taco_left_out,
    ),
    "apps": DataSet(
        apps.apps_row,
        Hub("codeparrot/apps", "test", files="{split}.jsonl"),
        "MIT",
        TESTS,
        "with tests",
        apps.apps_left_out,
    ),
    "livecodebench": DataSet(
        livecodebench.query_row,
        Hub("livecodebench/code_generation_lite", "test", files="{split}*.jsonl"),
        "CC",
        TESTS,
    ),
    "humaneval": DataSet(
        humaneval.query_row, Hub("openai/openai_humaneval", "test", ("openai_humaneval",)), "MIT", ASSERTS
    ),
    "mbpp": DataSet(
        mbpp.query_row, Hub("google-research-datasets/mbpp", "test", ("full",)), "CC-BY-4.0", ASSERTS
    ),
    "mbpp-sanitized": DataSet(
        mbpp.query_row, Hub("google-research-datasets/mbpp", "test", ("sanitized",)), "CC-BY-4.0", ASSERTS
    ),
    "lmsys-chat-1m": DataSet(
        chats.lmsys_row,
        Hub("lmsys/lmsys-chat-1m", "train"),
        "its own, to be accepted",
        "chat: reward model",
        "English, under 10 turns, not redacted, no empty message, speakers in turn",
        chats.lmsys_left_out,
    ),
    "hh-harmless": DataSet(
        chats.hh_row,
        Hub("Anthropic/hh-rlhf", "train", files="harmless-base/{split}.jsonl*"),
        "MIT",
        "chat: reward model",
        "no empty message, speakers in turn",
        chats.hh_left_out,
    ),
}
