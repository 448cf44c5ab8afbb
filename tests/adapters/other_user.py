"""A Python and the sandbox's code where every user can read them, wherever this checkout lies."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

UID = 65_534
_LEFT_OUT = shutil.ignore_patterns("site-packages", "dist-packages", "test", "idlelib", "config-*", "lib2to3")


@dataclass(frozen=True)
class Copy:
    """Where the copy is.

    Attributes:
        folder: of everything.
        python: the interpreter.
        environment: of a process that uses it.
    """

    folder: Path
    python: Path
    environment: dict[str, str]

    def place(self, file: Path) -> Path:
        """Returns a copy of a file that everybody can read."""
        target = self.folder / file.name
        if not target.exists():
            shutil.copy(file, target)
        return target


def copy_for_everybody(folder: Path) -> Copy:
    """Returns a copy below the folder: of the interpreter, numpy, and what a sandbox process imports."""
    base, code = folder / "python", folder / "code"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    _link(Path(os.__file__).parent, base / "lib" / version)
    for library in (Path(sys.base_prefix) / "lib").glob("libpython*.so*"):
        _link(library, base / "lib" / library.name)
    _link(Path(sys.base_prefix) / "bin" / version, base / "bin" / version)
    light_package(code)
    spec = importlib.util.find_spec("numpy")
    assert spec is not None
    assert spec.origin is not None
    numpy = Path(spec.origin).parent
    for package in (numpy, numpy.with_name("numpy.libs")):
        if package.exists():
            _link(package, code / package.name)
    environment = {"PYTHONPATH": str(code), "LD_LIBRARY_PATH": str(base / "lib")}
    return Copy(folder, base / "bin" / version, environment)


def light_package(folder: Path) -> Path:
    """Puts the code of sandboxes into the folder, without public names and what these need; returns it."""
    own = Path(__file__).parents[2] / "adaqueue"
    for name in ("adapters", "core", "errors.py"):
        _link(own / name, folder / "adaqueue" / name)
    (folder / "adaqueue" / "__init__.py").touch()
    return folder


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file, ignore=_LEFT_OUT)
    else:
        _link_file(str(source.resolve()), str(target))


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
