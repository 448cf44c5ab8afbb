"""A freshly forked child: how it is confined before it plays its role."""

from __future__ import annotations

import fcntl
import json
import math
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from . import kernel, landlock, reach, roles, system_calls

MOST_PROCESSES = 32
MOST_PROCESSES_OF_SHARED_USER = 4_096
_STACK_BYTES = 64 << 20
_OWN_UIDS = 1 << 30
_NOBODY = 65_534
_LOWEST_PAYLOAD = 10


@dataclass(frozen=True)
class Identity:
    """Which users a zygote's children run as.

    Attributes:
        uids: what a candidate and a check may become, best first; none where the zygote is not root.
        own_user_namespace: whether the kernel counts the children's processes apart.
    """

    uids: tuple[tuple[int, int], ...]
    own_user_namespace: bool

    @classmethod
    def of_zygote(cls, *, own_user_namespace: bool) -> Identity:
        """Returns users of the zygote's own where it may choose, so that they share limits with nobody."""
        if os.geteuid() != 0:
            return cls((), own_user_namespace)
        own = _OWN_UIDS + 2 * os.getpid()
        return cls(((own, own + 1), (_NOBODY, _NOBODY - 1)), own_user_namespace)

    def take(self, *, trusted: bool) -> bool:
        """Becomes the candidate's user, or the check's; returns whether it did."""
        for pair in self.uids:
            uid = pair[trusted]
            with suppress(OSError):
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                return True
        return False


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
        cpu_seconds: of its first part; it is killed at the next whole second.
        parts: how many parts it may have, if it renews its CPU time for each.
        memory_bytes: of address space.
        output_bytes: of every file that it writes.
    """

    descriptors: list[int]
    role: str
    cpu_seconds: float
    parts: int
    memory_bytes: int
    output_bytes: int


def run(start: Start, confinement: Confinement) -> None:
    """Plays the role in this process, and ends it."""
    os.setsid()
    file = _take_descriptors(start.descriptors, confinement.doors)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    distinct = confinement.identity.take(trusted=start.role == "check")
    _limit(start, alone=distinct or confinement.identity.own_user_namespace)
    kernel.renounce_capabilities()
    kernel.guard_memory()
    kernel.die_with_parent()
    kernel.forbid_new_privileges()
    if confinement.files is not None:
        confinement.files.restrict()
    payload: dict[str, Any] = json.loads(os.pread(file, os.fstat(file).st_size, 0))
    if confinement.calls is not None:
        confinement.calls.attach()
    os.ftruncate(file, 0)  # tells the supervisor that all of the above is in force
    os.close(file)
    roles.play(start.role, payload)


def _take_descriptors(descriptors: list[int], doors: int) -> int:
    """Puts the streams where programs expect them; closes all else but the payload, rules and doors."""
    file = fcntl.fcntl(descriptors[0], fcntl.F_DUPFD_CLOEXEC, _LOWEST_PAYLOAD)
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
    os.closerange(len(descriptors) - 1, file)
    os.closerange(file + 1, landlock.RULES)
    os.closerange(reach.FIRST_DOOR + doors, 1 << 20)
    return file


def _limit(start: Start, *, alone: bool) -> None:
    cpu_seconds = math.ceil(start.cpu_seconds)
    limits = {
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds * start.parts + 1),
        resource.RLIMIT_AS: (start.memory_bytes, start.memory_bytes),
        resource.RLIMIT_FSIZE: (start.output_bytes, start.output_bytes),
        resource.RLIMIT_NPROC: (MOST_PROCESSES if alone else MOST_PROCESSES_OF_SHARED_USER,) * 2,
        resource.RLIMIT_STACK: (_STACK_BYTES, resource.RLIM_INFINITY),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
    }
    for name, (soft, hard) in limits.items():
        most = resource.getrlimit(name)[1]
        bound = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(name, (min(soft, bound), bound))
