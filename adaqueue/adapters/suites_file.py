"""The file that declares what is measured every night, checked field by field."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from adaqueue.core.bounds import ROUTING, faults
from adaqueue.core.evaluation import POLICIES
from adaqueue.core.policy import ONCE
from adaqueue.core.sequential import HAZARDS
from adaqueue.core.suites import Alarms, Limit, Suite
from adaqueue.errors import SettingsError

WATCHED = ("uniform_early_stop", "sequential")
MOST_DRAWS = 1_024

SERVED = (*HAZARDS, *ONCE)
REPLAYED = (*POLICIES, *ROUTING)


def _one_of(names: Sequence[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"no such policy here: known are {', '.join(names)}")
        return name

    return AfterValidator(check)


def _names_apart(files: tuple[str, ...]) -> tuple[str, ...]:
    """Figures go by a file's name, and runs of live suites are named by it."""
    named: dict[str, str] = {}
    for file in files:
        other = named.get(PurePath(file).name)
        if other is not None and PurePath(other) == PurePath(file):
            raise ValueError(f"{file!r}: named twice: leave one out")
        if other is not None:
            told = f"{file!r}: has the name of {other!r}, and figures go by names"
            raise ValueError(f"{told}: rename one, or give it a suite of its own")
        named[PurePath(file).name] = file
    return files


Files = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_names_apart)]
Share = Annotated[float, Field(gt=0, le=10)]
Budget = Annotated[int, Field(ge=1, le=MOST_DRAWS)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_min_length=1)


class _Limit(_Strict):
    policy: str
    budget: StrictInt | StrictFloat


class _ShareLimit(_Limit):
    share: Share


class _RewardLimit(_Limit):
    reward: float


class _SuccessLimit(_Limit):
    success: float = Field(gt=0, le=1)


class _Alarms(_Strict):
    max_equal_reward_budget: tuple[_ShareLimit, ...] = ()
    min_reward: tuple[_RewardLimit, ...] = ()
    min_success: tuple[_SuccessLimit, ...] = ()
    max_ece: float | None = Field(None, gt=0, le=1)
    regression: float = Field(0.02, ge=0, le=1)

    def to_core(self) -> Alarms:
        return Alarms(
            tuple(Limit(one.policy, one.budget, one.share) for one in self.max_equal_reward_budget),
            tuple(Limit(one.policy, one.budget, one.reward) for one in self.min_reward),
            tuple(Limit(one.policy, one.budget, one.success) for one in self.min_success),
            self.max_ece,
            self.regression,
        )


class _Recorded(_Strict):
    name: str = Field(max_length=80)
    kind: Literal["recorded"]
    files: Files
    policies: tuple[Annotated[str, _one_of(REPLAYED)], ...] = WATCHED
    budgets: tuple[Budget, ...] = ()
    features: str = "text"
    metadata: tuple[str, ...] = ()
    folds: int = Field(5, ge=2, le=100)
    seeds: int | None = Field(None, ge=1, le=1_000)
    alarms: _Alarms = Field(default_factory=lambda: _Alarms(max_ece=None, regression=0.02))


class _Live(_Strict):
    name: str = Field(max_length=80)
    kind: Literal["live"]
    files: Files
    policies: tuple[Annotated[str, _one_of(SERVED)], ...] = Field(("sequential",), min_length=1)
    budgets: tuple[Budget, ...] = Field(min_length=1)
    draws: int = Field(ge=2, le=MOST_DRAWS)
    alarms: _Alarms = Field(default_factory=lambda: _Alarms(max_ece=None, regression=0.02))

    @model_validator(mode="after")
    def _draws_reach(self) -> _Live:
        if self.draws < max(self.budgets):
            raise ValueError(f"draws: {self.draws}: give at least the largest budget, better twice as many")
        return self


class _File(_Strict):
    suite: tuple[Annotated[_Recorded | _Live, Field(discriminator="kind")], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> _File:
        names = [one.name for one in self.suite]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"name: {name!r}: two suites have it: give each its own")
        return self


def read_suites(path: Path) -> list[Suite]:
    """Returns the suites that a TOML file declares; their files are found beside it.

    Raises:
        SettingsError: names the field, its value and the remedy.
    """
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"suites {path}: {error}: give a readable TOML file") from error
    try:
        declared = _File(**data)
    except ValidationError as error:
        raise SettingsError(f"suites {path}: {_words(error, data)}") from None
    suites = [_suite(one, path.absolute().parent) for one in declared.suite]
    wrong = [f"suite.{place}.{fault}" for place, suite in enumerate(suites) for fault in faults(suite)]
    if wrong:
        raise SettingsError(f"suites {path}: {'; '.join(wrong)}")
    return suites


def digest_of(path: str) -> str:
    """Returns the SHA-256 of a file, as hexadecimal digits.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SettingsError(f"files: {path}: {error.strerror}: give a file that can be read") from error


def _suite(one: _Recorded | _Live, folder: Path) -> Suite:
    plain = {name: value for name, value in one if name != "alarms"}
    plain["files"] = tuple(str(folder / file) for file in one.files)
    plain["budgets"] = tuple(sorted(set(one.budgets)))
    if isinstance(one, _Recorded) and one.features != "text":
        plain["features"] = str(folder / one.features)
    return Suite(**plain, alarms=one.alarms.to_core())


def _words(error: ValidationError, data: Any) -> str:
    """One line for each fault: suite, field, value, what is allowed."""
    lines = []
    for fault in error.errors():
        where = [str(part) for part in fault["loc"] if part not in ("recorded", "live")]
        name = ".".join(where)
        value = "" if isinstance(fault["input"], dict | list) else f": {fault['input']!r}"
        remedy = "unknown: see docs/nightly.md" if fault["type"] == "extra_forbidden" else fault["msg"]
        lines.append(": ".join(filter(None, [f"{name}{value}", remedy.removeprefix("Value error, ")])))
    return "; ".join(lines)
