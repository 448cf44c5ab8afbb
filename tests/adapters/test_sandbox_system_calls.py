"""The filter, run instruction by instruction, lets a run make the calls that Python needs and no other."""

from __future__ import annotations

import struct

import pytest

from adaqueue.adapters.sandbox.system_calls import (
    ALLOW,
    KILL,
    REFUSE,
    UNKNOWN,
    Instruction,
    program_of_child,
    program_of_zygote,
)

PID = 4321
X86_64, I386, ARM64 = 0xC000003E, 0x40000003, 0xC00000B7
THREAD = 0x3D0F00
ESCAPES = {
    **{"socket": 41, "connect": 42, "bind": 49, "accept": 43, "sendmsg": 46, "recvmsg": 47, "sendmmsg": 307},
    **{
        "fork": 57,
        "vfork": 58,
        "execve": 59,
        "execveat": 322,
        "memfd_create": 319,
        "unshare": 272,
        "setns": 308,
    },
    **{"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "pidfd_getfd": 438},
    **{
        "mount": 165,
        "umount2": 166,
        "pivot_root": 155,
        "chroot": 161,
        "fsopen": 430,
        "open_by_handle_at": 304,
    },
    **{"io_uring_setup": 425, "io_uring_enter": 426, "bpf": 321, "userfaultfd": 323, "perf_event_open": 298},
    **{"keyctl": 250, "add_key": 248, "request_key": 249, "shmget": 29, "semget": 64, "msgget": 68},
    **{"mq_open": 240, "inotify_init1": 294, "fanotify_init": 300, "seccomp": 317, "personality": 135},
    **{"init_module": 175, "reboot": 169, "iopl": 172, "capset": 126, "pidfd_send_signal": 424},
    **{"rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "kexec_load": 246, "landlock_restrict_self": 446},
}


def decision(number: int, *arguments: int, architecture: int = X86_64) -> int:
    """Returns what becomes of a run's call: the stricter of what the two filters say."""
    said = [
        said_by(code, number, *arguments, architecture=architecture)
        for code in (program_of_zygote(), program_of_child(PID))
    ]
    return min(said, key=[KILL, REFUSE, UNKNOWN, ALLOW].index)


def said_by(code: list[Instruction], number: int, *arguments: int, architecture: int = X86_64) -> int:
    """Returns what a filter says of a call: an interpreter of the few instructions that it uses."""
    padded = [*arguments, *(0,) * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    place = accumulator = 0
    while True:
        operation, holds, fails, operand = code[place]
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x54:
            accumulator &= operand
        elif operation == 0x15:
            place += holds if accumulator == operand else fails
        elif operation == 0x35:
            place += holds if accumulator >= operand else fails
        else:
            assert operation == 0x06
            return operand


@pytest.mark.parametrize("number", [41, 59, 101, 165, 272, 298, 310, 321, 425])
def test_what_leads_out_kills_the_zygote_too(number: int) -> None:
    assert said_by(program_of_zygote(), number) == KILL


@pytest.mark.parametrize("number", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_leads_out_kills(number: int) -> None:
    assert decision(number) == KILL


def test_what_nobody_thought_of_kills() -> None:
    known = {number for number in range(600) if decision(number) != KILL}
    assert len(known) < 240
    assert all(decision(number) == KILL for number in (*range(463, 1000), 1 << 20, (1 << 30) - 1))


@pytest.mark.parametrize("number", [0, 1, 39, 41])
def test_calls_of_another_architecture_kill(number: int) -> None:
    assert decision(number, architecture=I386) == KILL
    assert decision(number, architecture=ARM64) == KILL
    assert decision(0x40000000 + number) == KILL


def test_a_thread_may_be_made_and_a_process_may_not() -> None:
    assert decision(56, THREAD) == ALLOW
    for flags in (0, 17, 0x01200011, 0x4111, THREAD | 0x10000000, THREAD | 0x00020000, THREAD & ~0x10000):
        assert decision(56, flags) == KILL
    assert decision(435) == UNKNOWN


@pytest.mark.parametrize("number", [62, 234])
def test_a_run_signals_itself_alone(number: int) -> None:
    assert decision(number, PID, 9) == ALLOW
    for pid in (0, 1, PID + 1, (1 << 64) - 1, (1 << 32) - PID):
        assert decision(number, pid, 9) == REFUSE


def test_a_run_reads_and_lowers_its_own_limits_alone() -> None:
    assert decision(302, 0) == decision(302, PID) == ALLOW
    assert decision(302, 1) == REFUSE


def test_sockets_are_pairs_of_streams_and_send_to_no_address() -> None:
    assert decision(53, 1, 1) == decision(53, 1, 1 | 0o2000000 | 0o4000) == ALLOW
    assert decision(53, 1, 2) == decision(53, 1, 5) == decision(53, 2, 1) == KILL
    assert decision(44, 3, 0x7F00, 10, 0, 0) == ALLOW
    assert decision(44, 3, 0x7F00, 10, 0, 0x7FFF00000000) == decision(44, 3, 0x7F00, 10, 0, 1) == KILL


def test_devices_and_descriptors_take_harmless_commands_alone() -> None:
    assert decision(16, 0, 0x5401) == decision(16, 0, 0x5421) == ALLOW
    assert decision(16, 0, 0x5412) == decision(16, 0, 0x8901) == REFUSE
    assert decision(72, 0, 3) == decision(72, 0, 1030) == ALLOW
    assert decision(72, 0, 8) == decision(72, 0, 10) == decision(72, 0, 1026) == REFUSE
    assert decision(157, 15) == ALLOW
    assert decision(157, 1) == decision(157, 4) == decision(157, 22) == KILL


def test_changes_to_files_and_identity_fail_like_any_that_are_not_permitted() -> None:
    for number in (82, 83, 87, 88, 90, 92, 105, 112, 117, 141, 203, 434):
        assert decision(number) == REFUSE
