"""Which system calls a run may make: an allow-list for CPython on x86-64, as a program for seccomp.

What a correct program never asks for kills the process. What one may try, and can do without, fails with an
error. The program is put together here rather than by libseccomp, which is not on every machine and which the
zygote, with the standard library alone, could not load.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence

from . import kernel

ALLOW = 0x7FFF0000
KILL = 0x80000000
_ERRNO = 0x00050000
REFUSE = _ERRNO | errno.EPERM
UNKNOWN = _ERRNO | errno.ENOSYS

# fmt: off
_ALLOWED = (
    # descriptors
    "read=0 write=1 close=3 poll=7 lseek=8 pread64=17 pwrite64=18 readv=19 writev=20 pipe=22 select=23 "
    "dup=32 dup2=33 fsync=74 fdatasync=75 ftruncate=77 fadvise64=221 epoll_create=213 epoll_wait=232 "
    "epoll_ctl=233 pselect6=270 ppoll=271 epoll_pwait=281 eventfd=284 eventfd2=290 epoll_create1=291 "
    "dup3=292 pipe2=293 preadv=295 pwritev=296 preadv2=327 pwritev2=328 close_range=436 "
    # files, as far as Landlock lets it
    "open=2 stat=4 fstat=5 lstat=6 access=21 getdents=78 getcwd=79 chdir=80 fchdir=81 readlink=89 "
    "umask=95 statfs=137 fstatfs=138 getdents64=217 openat=257 newfstatat=262 readlinkat=267 "
    "faccessat=269 statx=332 faccessat2=439 "
    # memory
    "mmap=9 mprotect=10 munmap=11 brk=12 mremap=25 msync=26 madvise=28 pkey_mprotect=329 pkey_alloc=330 "
    "pkey_free=331 "
    # sockets that are open already
    "recvfrom=45 shutdown=48 getsockname=51 getpeername=52 "
    # threads and time
    "sched_yield=24 nanosleep=35 getitimer=36 alarm=37 setitimer=38 gettimeofday=96 times=100 "
    "gettid=186 time=201 futex=202 sched_getaffinity=204 set_tid_address=218 clock_gettime=228 "
    "clock_getres=229 clock_nanosleep=230 set_robust_list=273 getcpu=309 rseq=334 "
    # signals to itself
    "rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 pause=34 rt_sigpending=127 rt_sigtimedwait=128 "
    "rt_sigsuspend=130 sigaltstack=131 restart_syscall=219 "
    # the process
    "getpid=39 exit=60 wait4=61 uname=63 getrlimit=97 getrusage=98 sysinfo=99 getuid=102 getgid=104 "
    "geteuid=107 getegid=108 getppid=110 getpgrp=111 getgroups=115 getresuid=118 getresgid=120 "
    "getpgid=121 getsid=124 capget=125 getpriority=140 sched_getparam=143 sched_getscheduler=145 "
    "sched_get_priority_max=146 sched_get_priority_min=147 sched_rr_get_interval=148 setrlimit=160 "
    "exit_group=231 waitid=247 getrandom=318 "
)
_REFUSED = (
    # changes to files
    "flock=73 truncate=76 rename=82 mkdir=83 rmdir=84 creat=85 link=86 unlink=87 symlink=88 chmod=90 "
    "fchmod=91 chown=92 fchown=93 lchown=94 utime=132 mknod=133 setxattr=188 lsetxattr=189 "
    "fsetxattr=190 getxattr=191 lgetxattr=192 fgetxattr=193 listxattr=194 llistxattr=195 flistxattr=196 "
    "removexattr=197 lremovexattr=198 fremovexattr=199 utimes=235 mkdirat=258 mknodat=259 fchownat=260 "
    "futimesat=261 unlinkat=263 renameat=264 linkat=265 symlinkat=266 fchmodat=268 utimensat=280 "
    "fallocate=285 renameat2=316 fchmodat2=452 sync=162 sync_file_range=277 syncfs=306 readahead=187 "
    "sendfile=40 splice=275 tee=276 copy_file_range=326 "
    # another identity, group of processes or priority
    "setuid=105 setgid=106 setpgid=109 setsid=112 setreuid=113 setregid=114 setgroups=116 setresuid=117 "
    "setresgid=119 setfsuid=122 setfsgid=123 setpriority=141 sched_setparam=142 sched_setscheduler=144 "
    "sched_setaffinity=203 sched_setattr=314 sched_getattr=315 ioprio_set=251 ioprio_get=252 "
    # the rest
    "setsockopt=54 mlock=149 munlock=150 mlockall=151 munlockall=152 mlock2=325 tkill=200 mbind=237 "
    "set_mempolicy=238 get_mempolicy=239 pidfd_open=434 "
)
# libc takes the older call instead
_UNKNOWN = (
    "membarrier=324 clone3=435 openat2=437 epoll_pwait2=441 futex_waitv=449 map_shadow_stack=453 "
    "mseal=462"
)
# what a zygote, or its child before it is confined, needs: each child takes it from itself
_TAKEN_FROM_CHILDREN = (
    *(47, 56, 57),  # recvmsg, clone, fork
    *(62, 234, 302),  # kill, tgkill, prlimit64: a run's own id is known to it alone
    *(112, 116, 117, 119, 126, 157),  # setsid, setgroups, setresuid, setresgid, capset, prctl
    *(317, 446),  # seccomp, landlock_restrict_self
)
# fmt: on

_X86_64 = 0xC000003E
_X32 = 0x40000000
_PR_SET_VMA = 0x53564D41
# what pthread_create passes in glibc, and in musl
_NEW_THREAD = (0x003D0F00, 0x007D0F00)
_SOCKET_OPTIONS = (3, 4, 7, 8, 38, 39)
_TTY_QUERIES = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_DESCRIPTOR_COMMANDS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_SECCOMP = 317
_SET_MODE_FILTER = 1

Instruction = tuple[int, int, int, int]
"""Operation, jumps where its comparison holds and where not, operand."""
Code = Sequence[Instruction]


class Filter:
    """What a run may do: one program for the zygote and all below, and a short one that each child adds.

    A call is decided by the stricter of the two.

    Raises:
        OSError: this is no x86-64 Linux, or the kernel takes no filter.
    """

    def __init__(self) -> None:
        if platform.system() != "Linux" or platform.machine() != "x86_64":
            raise OSError(errno.ENOSYS, f"no list of system calls for {platform.machine()}")
        _Program(program_of_zygote()).attach()
        code = program_of_child(_OWN_PID_MARK)
        self._program = _Program(code)
        self._places = [2 * number + 1 for number, line in enumerate(code) if line[3] == _OWN_PID_MARK]

    def attach(self) -> None:
        """Puts this process, a child of the one that made the filter, under it for ever."""
        pid = os.getpid()
        for place in self._places:
            self._program.words[place] = pid
        self._program.attach()


class _Program:
    """Code as the kernel reads it."""

    def __init__(self, code: Code) -> None:
        self.words = (ctypes.c_uint32 * (2 * len(code))).from_buffer_copy(
            b"".join(struct.pack("<HBBI", *line) for line in code)
        )
        self._head = ctypes.create_string_buffer(
            struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(self.words))
        )
        self._head_at = ctypes.addressof(self._head)

    def attach(self) -> None:
        kernel.call("seccomp", _SECCOMP, _SET_MODE_FILTER, 0, self._head_at)


_OWN_PID_MARK = 0x7EADBEEF


def program_of_zygote() -> list[Instruction]:
    """Returns the filter of the zygote: that of a run, but for what its children still have to do."""
    own = dict.fromkeys(_TAKEN_FROM_CHILDREN, _result(ALLOW))
    return _program(_rules(_OWN_PID_MARK) | own, otherwise=KILL)


def program_of_child(pid: int) -> list[Instruction]:
    """Returns the filter that the child of that id adds: what only the zygote may do."""
    rules = _rules(pid)
    own = {number: rules.get(number, _result(KILL)) for number in _TAKEN_FROM_CHILDREN}
    return _program(own, otherwise=ALLOW)


def _program(rules: dict[int, Code], otherwise: int) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _X86_64),
        *_result(KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        *_result(KILL),
        *_tree(_ranges(rules, _result(otherwise))),
    ]


def _rules(pid: int) -> dict[int, Code]:
    """Returns what becomes of each call of the process of that id; those without a rule kill."""
    rules: dict[int, Code] = {}
    for names, action in ((_ALLOWED, ALLOW), (_REFUSED, REFUSE), (_UNKNOWN, UNKNOWN)):
        rules.update({int(word.partition("=")[2]): _result(action) for word in names.split()})
    return rules | _by_argument(pid)


def _by_argument(pid: int) -> dict[int, Code]:
    """Returns rules of the calls that depend on what they are given."""
    allow, refuse, kill = _result(ALLOW), _result(REFUSE), _result(KILL)
    only_itself = _argument_is(_argument(0), (pid,), allow, refuse)
    stream = [*_masked(_argument(1), 0xF), *_value_is((1,), allow, kill)]
    unaddressed = _argument_is(_argument(4) + 4, (0,), _argument_is(_argument(4), (0,), allow, kill), kill)
    names = _value_is((15, 16), allow, _value_is((_PR_SET_VMA,), refuse, kill))
    return {
        62: only_itself,  # kill
        234: only_itself,  # tgkill
        302: _argument_is(_argument(0), (0, pid), allow, refuse),  # prlimit64
        56: _argument_is(_argument(0), _NEW_THREAD, allow, kill),  # clone
        53: _argument_is(_argument(0), (1,), stream, kill),  # socketpair: AF_UNIX, SOCK_STREAM
        44: unaddressed,  # sendto
        55: _argument_is(_argument(2), _SOCKET_OPTIONS, allow, refuse),  # getsockopt
        16: _argument_is(_argument(1), _TTY_QUERIES, allow, refuse),  # ioctl
        72: _argument_is(_argument(1), _DESCRIPTOR_COMMANDS, allow, refuse),  # fcntl
        157: [(_LOAD, 0, 0, _argument(0)), *names],  # prctl: names of threads
    }


def _argument(number: int) -> int:
    """Returns where the lower half of an argument is."""
    return 16 + 8 * number


def _result(action: int) -> list[Instruction]:
    return [(_RETURN, 0, 0, action)]


def _masked(place: int, mask: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, place), (_AND, 0, 0, mask)]


def _argument_is(place: int, values: Sequence[int], then: Code, otherwise: Code) -> list[Instruction]:
    return [(_LOAD, 0, 0, place), *_value_is(values, then, otherwise)]


def _value_is(values: Sequence[int], then: Code, otherwise: Code) -> list[Instruction]:
    """Returns code that goes on with `then` for one of the values."""
    size = len(values)
    tests = [(_EQUAL, size - 1 - place, 0, value) for place, value in enumerate(values[:-1])]
    return [*tests, (_EQUAL, 0, len(then), values[-1]), *then, *otherwise]


def _ranges(rules: dict[int, Code], otherwise: Code) -> list[tuple[int, Code]]:
    """Returns where numbers with another rule begin."""
    found: list[tuple[int, Code]] = []
    for number in range(max(rules) + 2):
        rule = rules.get(number, otherwise)
        if not found or found[-1][1] != rule:
            found.append((number, rule))
    return found


def _tree(ranges: Sequence[tuple[int, Code]]) -> list[Instruction]:
    """Returns code that finds the number's range by halving."""
    if len(ranges) == 1:
        return list(ranges[0][1])
    middle = len(ranges) // 2
    lower, upper = _tree(ranges[:middle]), _tree(ranges[middle:])
    return [(_AT_LEAST, len(lower), 0, ranges[middle][0]), *lower, *upper]
