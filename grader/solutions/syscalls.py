"""A filter of system calls for a process that is about to run a stranger's code: what namespaces leave open.

Imports nothing but the standard library: the self-test starts it without torch.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

_DENIED = {  # by architecture: what reaches beyond the process, the kernel's less used corners, new namespaces
    "x86_64": (
        *(29, 30, 41, 64, 68, 101, 155, 165, 166, 175, 176, 246, 248, 249, 250, 272, 298, 303, 304, 308, 310, 311),
        *(313, 319, 321, 323, 425, 426, 427, 447),
    ),
    "aarch64": (
        *(39, 40, 41, 97, 104, 105, 106, 117, 186, 190, 194, 196, 198, 217, 218, 219, 241, 264, 265, 268, 270, 271),
        *(273, 279, 280, 282, 425, 426, 427, 447),
    ),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE_NEWUSER = 0x10000000
_EPERM, _ENOSYS = 1, 38


def refuse_system_calls() -> bool:
    """Install a seccomp filter for this process and all its children; False where that cannot be done.

    Refused: sockets of every kind, ptrace and reading other processes' memory, mounts, new user namespaces, memfd and
    System V shared memory (which escape the memory limits), keyrings, bpf, perf, io_uring, modules, file handles.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _DENIED:
        return False

    def statement(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    load, equal, at_least, has_bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown = 0x7FFF0000, 0x00050000 | _EPERM, 0x00050000 | _ENOSYS
    program = [
        *(statement(load, 4), statement(equal, _AUDIT_ARCH[machine], 1, 0), statement(give, refuse)),
        *(statement(load, 0), statement(at_least, 0x40000000, 0, 1), statement(give, refuse)),
        *(statement(equal, _CLONE3, 0, 1), statement(give, unknown)),  # libc falls back to clone, whose flags we see
    ]
    for number in _DENIED[machine]:
        program += [statement(equal, number, 0, 1), statement(give, refuse)]
    program += [
        *(statement(equal, _CLONE[machine], 0, 3), statement(load, 16)),
        *(statement(has_bits, _CLONE_NEWUSER, 0, 1), statement(give, refuse)),
        statement(give, allow),
    ]
    code = ctypes.create_string_buffer(b"".join(program))
    filter_program = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(set_seccomp, filter_mode, ctypes.c_char_p(filter_program), 0, 0) == 0)
