"""A freshly forked child: how it is confined before it plays its role."""

from __future__ import annotations

import marshal
import os
import resource
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import kernel, landlock, reach, roles, system_calls

MOST_PROCESSES = 32
MOST_PROCESSES_OF_SHARED_USER = 4_096
_LIMITS_OF_ALL = {
    resource.RLIMIT_STACK: (64 << 20, resource.RLIM_INFINITY),
    resource.RLIMIT_NOFILE: (64, 64),
    resource.RLIMIT_CORE: (0, 0),
}
_LIMITS_OF_EACH = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC)
_OWN_UIDS = 1 << 30
_NOBODY = 65_534
ROLES = ("program", "calls", "check")
ORDER = struct.Struct("=6q")
"""What a child is to be: place in `ROLES`; size of the payload; seconds of CPU time at the end of which it is
killed, and the most that it may renew them to; bytes of address space; bytes of every file that it writes."""
PAYLOAD = landlock.RULES - 1
"""Descriptor of what the role needs, until the child is confined; a zygote has no other that high."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds a zygote's children, all of it made before the first fork.

    Attributes:
        identity: whom they may run as.
        files: what they may read; None in tier `none`.
        calls: which system calls they may make; None in tier `none`.
        doors: how many descriptors from `reach.FIRST_DOOR` on they keep.
        bounds: what `limit_zygote` returned.
    """

    identity: Identity
    files: landlock.Ruleset | None
    calls: system_calls.Filter | None
    doors: int
    bounds: tuple[int, ...]


def limit_zygote() -> tuple[int, ...]:
    """Limits this process where its children need no other limits; returns the most that they may have else.

    Returns:
        Hard limits of CPU time, address space, sizes of files and number of processes.
    """
    for name, bounds in _LIMITS_OF_ALL.items():
        resource.setrlimit(name, _within(name, *bounds))
    hard = [resource.getrlimit(name)[1] for name in _LIMITS_OF_EACH]
    return tuple(sys.maxsize if most == resource.RLIM_INFINITY else most for most in hard)


def _within(name: int, soft: int, hard: int) -> tuple[int, int]:
    most = resource.getrlimit(name)[1]
    if most == resource.RLIM_INFINITY:
        return soft, hard
    bound = most if hard == resource.RLIM_INFINITY else min(hard, most)
    return min(soft, bound), bound


def run(order: bytes, descriptors: Sequence[int], confinement: Confinement) -> None:
    """Plays a role in this process, and ends it.

    Args:
        order: an `ORDER`.
        descriptors: payload, standard input, output and error, and for some roles a channel.
        confinement: what is to hold it.
    """
    role, size, *wanted = ORDER.unpack(order)
    os.setsid()
    _take_descriptors(descriptors, confinement.doors)
    _limit(wanted, confinement)
    confinement.identity.take(trusted=ROLES[role] == "check")
    kernel.renounce_capabilities()
    kernel.guard_memory()  # again: it is lost with a change of users
    kernel.die_with_parent()
    if confinement.files is not None:
        confinement.files.restrict()
    # written by the supervisor alone, and of plain values; JSON's decoder would cost a twentieth of a run
    payload: dict[str, Any] = marshal.loads(os.pread(PAYLOAD, size, 0))  # noqa: S302
    if confinement.calls is not None:
        confinement.calls.attach()
    os.ftruncate(PAYLOAD, 0)  # tells the supervisor that all of the above is in force
    os.close(PAYLOAD)
    roles.play(ROLES[role], payload)


def _limit(wanted: Sequence[int], confinement: Confinement) -> None:
    """Sets the limits that the order names, none above those of the zygote."""
    cpu, most_cpu, memory, output = wanted
    most_seconds, most_memory, most_output, most_processes = confinement.bounds
    processes = MOST_PROCESSES if confinement.identity.alone else MOST_PROCESSES_OF_SHARED_USER
    most_cpu, memory, output = min(most_cpu, most_seconds), min(memory, most_memory), min(output, most_output)
    processes = min(processes, most_processes)
    resource.setrlimit(resource.RLIMIT_CPU, (min(cpu, most_cpu), most_cpu))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


def _take_descriptors(descriptors: Sequence[int], doors: int) -> None:
    """Puts the streams where programs expect them; closes all else but the payload, rules and doors."""
    os.dup2(descriptors[0], PAYLOAD)
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
    os.closerange(len(descriptors) - 1, PAYLOAD)
    os.closerange(reach.FIRST_DOOR + doors, 1 << 20)
