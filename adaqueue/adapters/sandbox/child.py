"""A freshly forked child: how it is confined before it plays its role."""

from __future__ import annotations

import marshal
import math
import os
import resource
from dataclasses import dataclass
from typing import Any

from . import kernel, landlock, reach, roles, system_calls

MOST_PROCESSES = 32
MOST_PROCESSES_OF_SHARED_USER = 4_096
_STACK_BYTES = 64 << 20
_MOST_FILES = 64
_OWN_UIDS = 1 << 30
_NOBODY = 65_534
PAYLOAD = landlock.RULES - 1
"""Descriptor of what the role needs, until the child is confined; a zygote has no other that high."""


@dataclass(frozen=True)
class Identity:
    """Which users a zygote's children run as.

    Attributes:
        uids: what a candidate and a check become; None where the zygote's own user is the only one.
        alone: whether no process but the children counts as that user's.
    """

    uids: tuple[int, int] | None
    alone: bool

    @classmethod
    def of_zygote(cls, *, own_user_namespace: bool) -> Identity:
        """Returns users of the zygote's own where it may choose, so that they share limits with nobody."""
        own = _OWN_UIDS + 2 * os.getpid()
        for uids, alone in (((own, own + 1), True), ((_NOBODY, _NOBODY - 1), False)):
            if os.geteuid() == 0 and all(map(_may_become, uids)):
                return cls(uids, alone)
        return cls(None, own_user_namespace)

    def take(self, *, trusted: bool) -> None:
        """Becomes the candidate's user, or the check's, if there is one to become."""
        if self.uids is not None:
            _become(self.uids[trusted])


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _may_become(uid: int) -> bool:
    """Returns whether a child can: in some containers there are few users, or root may not change."""
    pid = kernel.fork()
    if pid == 0:
        try:
            _become(uid)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


@dataclass(frozen=True)
class Confinement:
    """What holds a zygote's children, all of it made before the first fork.

    Attributes:
        identity: whom they may run as.
        files: what they may read; None in tier `none`.
        calls: which system calls they may make; None in tier `none`.
        doors: how many descriptors from `reach.FIRST_DOOR` on they keep.
    """

    identity: Identity
    files: landlock.Ruleset | None
    calls: system_calls.Filter | None
    doors: int


@dataclass(frozen=True)
class Start:
    """What a child is to be.

    Attributes:
        descriptors: payload, standard input, output and error, and for some roles a channel.
        role: `program`, `calls` or `check`.
        limits: resources with their soft and hard limits.
    """

    descriptors: list[int]
    role: str
    limits: list[tuple[int, tuple[int, int]]]


def limits(request: dict[str, Any], *, alone: bool) -> list[tuple[int, tuple[int, int]]]:
    """Returns the limits of a run, none above those of this process.

    Args:
        request: `cpu_seconds` of the run's first part, at the end of which it is killed, to the next whole
            second; how many `parts` it may have, if it renews its CPU time for each; `memory_bytes` of
            address space; `output_bytes` of every file that it writes.
        alone: whether nobody else's processes count as the run's.
    """
    cpu_seconds = math.ceil(request["cpu_seconds"])
    processes = MOST_PROCESSES if alone else MOST_PROCESSES_OF_SHARED_USER
    wanted = {
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds * request["parts"] + 1),
        resource.RLIMIT_AS: (request["memory_bytes"],) * 2,
        resource.RLIMIT_FSIZE: (request["output_bytes"],) * 2,
        resource.RLIMIT_NPROC: (processes,) * 2,
        resource.RLIMIT_STACK: (_STACK_BYTES, resource.RLIM_INFINITY),
        resource.RLIMIT_NOFILE: (_MOST_FILES,) * 2,
        resource.RLIMIT_CORE: (0, 0),
    }
    return [(name, _within(name, *bounds)) for name, bounds in wanted.items()]


def _within(name: int, soft: int, hard: int) -> tuple[int, int]:
    most = resource.getrlimit(name)[1]
    if most == resource.RLIM_INFINITY:
        return soft, hard
    bound = most if hard == resource.RLIM_INFINITY else min(hard, most)
    return min(soft, bound), bound


def run(start: Start, confinement: Confinement) -> None:
    """Plays the role in this process, and ends it."""
    os.setsid()
    _take_descriptors(start.descriptors, confinement.doors)
    for name, bounds in start.limits:
        resource.setrlimit(name, bounds)
    confinement.identity.take(trusted=start.role == "check")
    kernel.renounce_capabilities()
    kernel.guard_memory()
    kernel.die_with_parent()
    kernel.forbid_new_privileges()
    if confinement.files is not None:
        confinement.files.restrict()
    payload: dict[str, Any] = marshal.loads(os.pread(PAYLOAD, os.fstat(PAYLOAD).st_size, 0))  # noqa: S302
    if confinement.calls is not None:
        confinement.calls.attach()
    os.ftruncate(PAYLOAD, 0)  # tells the supervisor that all of the above is in force
    os.close(PAYLOAD)
    roles.play(start.role, payload)


def _take_descriptors(descriptors: list[int], doors: int) -> None:
    """Puts the streams where programs expect them; closes all else but the payload, rules and doors."""
    os.dup2(descriptors[0], PAYLOAD)
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
    os.closerange(len(descriptors) - 1, PAYLOAD)
    os.closerange(reach.FIRST_DOOR + doors, 1 << 20)
