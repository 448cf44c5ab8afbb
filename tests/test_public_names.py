"""Proves that `adaqueue.__all__` is the truth, and that every public class says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import adaqueue
from adaqueue import errors
from adaqueue.errors import AdaQueueError


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(adaqueue.__path__, "adaqueue.")
    return [importlib.import_module(info.name) for info in found if not info.name.endswith("__main__")]


def own_classes(module: ModuleType) -> list[type]:
    """Public classes that the module itself defines."""
    return [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_all_names_are_there_once_and_no_other_is_public() -> None:
    packages = {info.name for info in pkgutil.iter_modules(adaqueue.__path__)}
    public = {name for name in vars(adaqueue) if not name.startswith("_")} - packages
    assert sorted(adaqueue.__all__) == sorted(public)


def test_every_error_that_a_user_may_meet_is_public() -> None:
    inner = {
        "EngineError",
        "VerifierError",
        "VerifierAwayError",
        "FingerprintError",
        "BadOutcomesError",
        "NoSupportError",
        "AlreadyUpError",
        "LeaseLostError",
        "LedgerRefusedError",
    }
    tree = {error.__name__ for error in own_classes(errors)}
    assert tree - inner == {name for name in adaqueue.__all__ if name.endswith("Error")}


def test_all_errors_are_one_tree_drawn_at_the_top_of_their_module() -> None:
    drawn = [line.split()[-1] if line.endswith("Error") else line for line in (errors.__doc__ or "").split()]
    for error in own_classes(errors):
        assert issubclass(error, AdaQueueError)
        assert error.__name__ in drawn


def test_every_public_class_says_what_it_is() -> None:
    silent = [
        f"{module.__name__}.{found.__name__}"
        for module in modules()
        for found in own_classes(module)
        # not inherited from, say, a dataclass's generated signature
        if not found.__doc__ or found.__doc__.startswith(f"{found.__name__}(")
    ]
    assert silent == []


def test_every_public_method_of_a_public_name_says_what_it_does() -> None:
    silent = [
        f"{name}.{method}"
        for name in adaqueue.__all__
        for method, value in vars(getattr(adaqueue, name)).items()
        if inspect.isfunction(value) and not method.startswith("_") and not value.__doc__
    ]
    assert silent == []
