"""What a run may read; it may write, connect to and signal nothing. The kernel's Landlock enforces it."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from . import kernel

RULES = 47
"""Descriptor of the rules in the zygote; children keep it until they have restricted themselves."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_BENEATH_PATH = 1
_WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 1, 1 << 2, 1 << 3
_FIRST_FILE_RIGHTS = (1 << 13) - 1
# the version of Landlock that brought them: rename between folders, truncate, devices' own commands
_LATER_FILE_RIGHTS = ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_NETWORK_SINCE, _NETWORK_RIGHTS = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11


class Ruleset:
    """Rights of runs, gathered once, put in force in each.

    Args:
        readable: files, and folders with all that is below them.
        listed: folders of which the names alone may be read.
        writable: files.

    Attributes:
        version: of Landlock.

    Raises:
        OSError: this kernel has no Landlock.
    """

    def __init__(self, readable: Iterable[str], listed: Iterable[str], writable: Iterable[str]) -> None:
        self.version = kernel.call("landlock_create_ruleset", _CREATE_RULESET, 0, 0, _ASK_VERSION)
        rights = _handled(self.version)
        where, size = ctypes.addressof(rights), ctypes.sizeof(rights)
        made = kernel.call("landlock_create_ruleset", _CREATE_RULESET, where, size, 0)
        os.dup2(made, RULES, inheritable=False)
        os.close(made)
        for path in readable:
            self._permit(path, _READ_FILE | _READ_FOLDER)
        for path in listed:
            self._permit(path, _READ_FOLDER)
        for path in writable:
            self._permit(path, _READ_FILE | _WRITE_FILE)

    def restrict(self) -> None:
        """Puts this process under the rules, for ever."""
        kernel.call("landlock_restrict_self", _RESTRICT_SELF, RULES, 0)
        os.close(RULES)

    def _permit(self, path: str, rights: int) -> None:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= ~_READ_FOLDER
            rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor))
            kernel.call("landlock_add_rule", _ADD_RULE, RULES, _BENEATH_PATH, ctypes.addressof(rule), 0)
        finally:
            os.close(descriptor)


def _handled(version: int) -> ctypes.Array[ctypes.c_uint64]:
    """Returns all rights that this version can withhold, as the kernel reads them."""
    files = _FIRST_FILE_RIGHTS
    for since, right in _LATER_FILE_RIGHTS:
        files |= right if version >= since else 0
    words = [files]
    words += [_NETWORK_RIGHTS] if version >= _NETWORK_SINCE else []
    words += [_SCOPES] if version >= _SCOPES_SINCE else []
    return (ctypes.c_uint64 * len(words))(*words)
