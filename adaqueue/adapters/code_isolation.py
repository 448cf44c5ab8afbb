"""How strongly this machine isolates programs: found by trying, and proved."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adaqueue.adapters.code_canaries import prove
from adaqueue.adapters.code_zygote import Kind, Zygote
from adaqueue.errors import VerifierError

TIERS = ("A", "B")
NONE = "none"
REMEDIES = {
    "A": (
        "as root keep CAP_SYS_ADMIN, else allow unprivileged user namespaces (sysctl "
        "user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
        "kernel.apparmor_restrict_unprivileged_userns=0)"
    ),
    "B": (
        "run on x86-64 Linux 5.13 or later with landlock among the kernel's lsm=, in containers under a "
        "profile that allows seccomp and landlock_*"
    ),
}


@dataclass(frozen=True)
class Isolation:
    """What was found.

    Attributes:
        tier: the strongest that holds: `A`, `B` or `none`.
        refused: why each stronger one does not.
    """

    tier: str
    refused: tuple[str, ...]


def establish(tiers: Sequence[str] = TIERS, *, or_none: bool = False) -> tuple[Isolation, Zygote]:
    """Returns the strongest isolation there is, and a zygote for which it was proved.

    Args:
        tiers: those that may be used, strongest first.
        or_none: do without isolation where there is none of these.

    Raises:
        VerifierError: there is none; says what is missing and what to do.
    """
    refused: list[str] = []
    for tier in tiers:
        try:
            zygote = Zygote(Kind(tier))
        except VerifierError as error:
            refused.append(f"tier {tier}: {error}")
            continue
        try:
            prove(zygote)
        except VerifierError as error:
            zygote.close()
            refused.append(f"tier {tier}: {error}")
            continue
        return Isolation(tier, tuple(refused)), zygote
    if or_none:
        return Isolation(NONE, tuple(refused)), Zygote(Kind(NONE))
    remedies = "; ".join(REMEDIES[tier] for tier in tiers)
    raise VerifierError(
        f"programs cannot be isolated here: {'; '.join(refused)}. Remedy: {remedies}; or set "
        "run_code_without_isolation, and have them run with this user's rights (tier none)"
    )


def isolation() -> Isolation:
    """Returns how strongly programs are isolated on this machine; tier `none` where they would be refused."""
    found, zygote = establish(or_none=True)
    zygote.close()
    return found


def located(libraries: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Returns the libraries with their files and folders.

    Raises:
        VerifierError: one is not installed.
    """
    return tuple((name, _files_of(name)) for name in libraries)


def _files_of(library: str) -> tuple[str, ...]:
    spec = importlib.util.find_spec(library) if library.isidentifier() else None
    if spec is None or not (spec.submodule_search_locations or spec.has_location):
        raise VerifierError(f"the library {library!r} for programs is not installed")
    own = [Path(path) for path in spec.submodule_search_locations or [str(spec.origin)]]
    # wheels put shared libraries beside the package
    shared = own[0].with_name(f"{library}.libs")
    return tuple(map(str, [*own, *([shared] if shared.is_dir() else [])]))
