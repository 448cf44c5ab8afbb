"""Programs that try to get out: isolation is proved with them rather than assumed."""

from __future__ import annotations

import os

from adaqueue.adapters.code_wire import Limits
from adaqueue.adapters.code_zygote import Zygote
from adaqueue.errors import VerifierError

_LIMITS = Limits(cpu_seconds=5)
_HELD = b"held"
_TRYING = f"""
import os, resource, signal
for attempt in ({{}},):
    try:
        attempt()
    except OSError:
        continue
    break
else:
    print({_HELD.decode()!r})
"""
# each of these must fail, one way or another
_ATTEMPTS = {
    "reads the machine's files": 'lambda: open("/etc/passwd"), lambda: os.listdir("/")',
    "reads this program's files": "lambda: open({own!r}), lambda: os.listdir({folder!r})",
    "writes files": (
        '*(lambda folder=folder: open(folder + "/canary", "w") for folder in '
        '("/", "/tmp", "/var/tmp", "/dev/shm", {folder!r}, os.path.dirname(os.__file__)))'
    ),
    "signals other processes": (
        "*(lambda pid=pid: os.kill(pid, 0) for pid in (1, -1, {zygote}, {supervisor})), "
        "lambda: os.kill(os.getppid() or -1, 0)"
    ),
    "reads the zygote": (
        '*(lambda name=name: open("/proc/{zygote}/" + name) for name in ("environ", "cmdline", "mem")), '
        '*(lambda name=name: open(f"/proc/{{os.getppid()}}/" + name) for name in ("environ", "mem"))'
    ),
    "becomes another user": "lambda: os.setuid(0 if os.getuid() else 1), lambda: os.setgroups([0])",
    "has a device": 'lambda: open("/dev/mem"), lambda: open("/dev/kmsg"), lambda: open("/dev/tty")',
}
# each of these must end the process
_FORBIDDEN = {
    "opens a socket": "import socket; socket.socket(socket.AF_UNIX)",
    "forks": "import os; os.fork()",
    "starts a program": 'import os; os.execv("/bin/true", ["true"])',
    "traces a process": "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
    "makes namespaces": "import ctypes; ctypes.CDLL(None).unshare(0x10000000)",
    "uses the x32 interface": "import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)",
}
_OF_A_ROOM = {
    "sees other processes": 'lambda: os.stat("/proc/{zygote}"), lambda: os.stat("/proc/{supervisor}")',
    "sees the machine's files": 'lambda: os.stat({own!r}), lambda: os.stat("/etc/passwd")',
}


def prove(zygote: Zygote) -> None:
    """Runs the canaries.

    Raises:
        VerifierError: names the first that got out, or says that programs do not run at all.
    """
    if _run(zygote, "print(int('2') ** 2)") != (None, b"4"):
        raise VerifierError("a simple program does not run")
    words = {
        "own": __file__,
        "folder": os.path.dirname(__file__),
        "zygote": zygote.pid,
        "supervisor": os.getpid(),
    }
    attempts = _ATTEMPTS | (_OF_A_ROOM if zygote.kind.tier == "A" else {})
    for name, attempt in attempts.items():
        if _run(zygote, _TRYING.format(attempt.format(**words))) != (None, _HELD):
            raise VerifierError(f"a program {name}")
    for name, program in _FORBIDDEN.items():
        if _run(zygote, program)[0] != "sandbox_violation":
            raise VerifierError(f"a program {name}")


def _run(zygote: Zygote, program: str) -> tuple[str | None, bytes]:
    run = zygote.start("program", {"programs": [program]}, _LIMITS)
    run.wait()
    ending = zygote.end(run)
    return ending.fault, ending.output.strip()
