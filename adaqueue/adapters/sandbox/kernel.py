"""The few kernel calls that Python has no words for."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress

NEW_MOUNTS = 0x00020000
NEW_HOST_NAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USERS = 0x10000000
NEW_PROCESSES = 0x20000000
NEW_NETWORK = 0x40000000

BIND = 0x1000 | 0x4000
"""Mount flags: what is mounted below comes along."""
PRIVATE = 0x40000 | 0x4000
NO_PRIVILEGES = 0x2 | 0x4 | 0x8
"""Mount flags: no set-user-ID, no devices, no execution."""

READ_ONLY = 0x1
NO_SETUID = 0x2
NO_DEVICES = 0x4

_DETACH = 2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_SETATTR = 442
_PIVOT_ROOT = 155
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522

_LIBC = ctypes.CDLL(None, use_errno=True)
# what children need is made once: making it costs each of them a third of a millisecond
_SYSCALL, _PRCTL, _CAPSET = _LIBC.syscall, _LIBC.prctl, _LIBC.capset
_SYSCALL.restype = ctypes.c_long
_SYSCALL.argtypes = [ctypes.c_long] * 6
_PRCTL.argtypes = [ctypes.c_ulong] * 5
_CAPSET.argtypes = [ctypes.c_void_p] * 2
_FORK = ctypes.PyDLL(None).fork
_OF_THIS_PROCESS = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_OF_THIS_PROCESS_AT, _NO_CAPABILITIES_AT = map(ctypes.addressof, (_OF_THIS_PROCESS, _NO_CAPABILITIES))


def fork() -> int:
    """Forks this process, which has one thread, and returns what fork returns.

    Python's own fork repairs what other threads may have held, and seeds the random numbers anew: that costs
    a child a hundred page faults, and there is no other thread.
    """
    return _checked("fork", _FORK())


def call(name: str, number: int, *arguments: int) -> int:
    """Makes a system call that libc has no function for; returns what it returns.

    Args:
        name: for the error.
        number: on x86-64, and everywhere for calls of Linux 5.1 and later.
        arguments: at most five; addresses of buffers among them.

    Raises:
        OSError: the kernel refuses.
    """
    return _checked(name, _SYSCALL(number, *arguments, *(0,) * (5 - len(arguments))))


def unshare(kinds: int) -> None:
    """Moves this process into new namespaces; one of processes is for its future children."""
    _checked("unshare", _LIBC.unshare(kinds))


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mounts a file system, or with `BIND` what is mounted elsewhere."""
    data = None if options is None else options.encode()
    words = (source.encode(), target.encode(), None if kind is None else kind.encode())
    _checked(f"mount {target}", _LIBC.mount(*words, ctypes.c_ulong(flags), data))


def restrict_mount(target: str, attributes: int, *, below: bool) -> None:
    """Adds attributes such as `READ_ONLY` to a mount, and to those below it."""
    words, path = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0), ctypes.create_string_buffer(target.encode())
    path_at, words_at = ctypes.addressof(path), ctypes.addressof(words)
    flags = _AT_RECURSIVE if below else 0
    call(f"mount_setattr {target}", _MOUNT_SETATTR, _AT_FDCWD, path_at, flags, words_at, 32)


def move_root_here() -> None:
    """Makes the current folder, a mount, the root of this namespace; nothing else stays mounted."""
    here = ctypes.create_string_buffer(b".")
    call("pivot_root", _PIVOT_ROOT, ctypes.addressof(here), ctypes.addressof(here))
    _checked("umount2", _LIBC.umount2(b".", _DETACH))
    os.chdir("/")


def look_users_up_in_files() -> None:
    """Keeps libc from asking servers who a user is: a child that asked at a socket would be killed."""
    with suppress(AttributeError):  # other C libraries than glibc ask nobody
        for name in (b"passwd", b"group"):
            _LIBC["__nss_configure_lookup"](name, b"files")


def guard_memory() -> None:
    """Keeps other processes of the same user out of this one's memory and descriptors."""
    _prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def renounce_capabilities() -> None:
    """Gives up all capabilities."""
    _checked("capset", _CAPSET(_OF_THIS_PROCESS_AT, _NO_CAPABILITIES_AT))


def forbid_new_privileges() -> None:
    """Gives up the ways back to privileges; what restricts this process further needs it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    _checked(f"prctl {option}", _PRCTL(option, value, 0, 0, 0))


def _checked(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
