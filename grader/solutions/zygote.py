"""A zygote: a process inside bubblewrap that has imported torch, and forks for each submission.

It is trusted and never runs a learner's code. Each fork of it goes into namespaces of its own (processes, mounts, IPC),
with a /proc and a writable folder that nobody had before, gives up its uid and every privilege, and then runs the
script that it was given. When the first process of such a namespace ends, the kernel ends all that are in it: nothing
of one submission is there for the next, and none can name, signal or trace this process or another submission.

Imports nothing but the standard library: the self-test starts it without torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

_NEW_MOUNTS, _NEW_IPC, _NEW_PROCESSES, _NEW_NETWORK = 0x00020000, 0x08000000, 0x20000000, 0x40000000
_NO_SUID, _NO_DEVICES, _NO_EXECUTION, _RECURSIVE, _PRIVATE = 2, 4, 8, 16384, 1 << 18
_PARENT_DEATH_SIGNAL, _DROP_FROM_BOUNDING_SET, _NO_NEW_PRIVILEGES, _AMBIENT, _CLEAR_ALL = 1, 24, 38, 47, 4
_CAPABILITIES_V3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def main(listener: int, shared: bool, home: str, size: int, modules: list[str] | None) -> NoReturn:
    """Serve the judges that come to a socket.

    shared: all at once, each by a fork that forks for it; otherwise one judge, and when that has gone another. home,
    size: the writable folder and its bytes. modules: imported first, torch among them; None for nothing at all.
    """
    if modules is not None:
        from grader.solutions.worker import prepare

        prepare(modules)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if " rw-s " in line]
    if mapped:  # what one fork writes there, the next would read
        sys.exit(f"this process shares memory with its forks: {mapped[0]}")
    comes = socket.socket(fileno=listener)
    while True:
        channel, _ = comes.accept()
        with channel:
            if not shared:
                _serve(channel, home, size)
            elif os.fork() == 0:
                comes.close()
                _call("unshare", _NEW_NETWORK)
                _serve(channel, home, size)
                os._exit(0)


def _serve(channel: socket.socket, home: str, size: int) -> None:
    """Fork whenever a judge says so, one at a time, until it has gone.

    A message of its is a script, its arguments, file descriptors with the numbers that they get, and the uid to change
    to (None for an ordinary user, who keeps theirs); or `end`, for the fork that was started last.
    """
    here = os.open("/proc/self/ns/pid", os.O_RDONLY)
    with contextlib.suppress(ConnectionError):
        channel.send(b"ready")
        while True:
            message, fds, _, _ = socket.recv_fds(channel, 2**16, 16)
            if not message:
                break
            if message == b"end":  # it has ended already
                continue
            order = json.loads(message)
            _call("unshare", _NEW_PROCESSES)
            first = os.fork()
            if first == 0:
                _start(channel, order, dict(zip(order["numbers"], fds, strict=True)), home, size)
            _call("setns", here, _NEW_PROCESSES)  # for the next: namespaces are not made within one that has ended
            for fd in fds:
                os.close(fd)
            _wait(first, channel)
            channel.send(b"ended")
    os.close(here)


def _wait(child: int, channel: socket.socket) -> None:
    """Wait until a child has ended; end it when told to, or when nobody is there any more."""
    ended = os.pidfd_open(child)
    readable, _, _ = select.select([ended, channel.fileno()], [], [])
    if ended not in readable:
        with contextlib.suppress(ConnectionError):
            channel.recv(16)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ended)


def _start(channel: socket.socket, order: dict[str, Any], fds: dict[int, int], home: str, size: int) -> NoReturn:
    """Run a script as the first process of new namespaces."""
    try:
        channel.send(b"started")
        _place(fds)
        _call("unshare", _NEW_MOUNTS | _NEW_IPC)
        os.setsid()
        _mount(home, size)
        _drop(order["uid"])
        _call("prctl", _PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        os.chdir(home)
        sys.argv = ["-c", *order["arguments"]]
        exec(compile(order["script"], "<script>", "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
        os._exit(1)


def _descriptors() -> int:
    """The highest number that a file descriptor may have, and one."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _place(fds: dict[int, int]) -> None:
    """Give the descriptors their numbers, and close all others; nothing comes in as standard input."""
    above = max(fds, default=2) + 1
    moved = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, above) for number, fd in fds.items()}
    moved[0] = fcntl.fcntl(os.open(os.devnull, os.O_RDONLY), fcntl.F_DUPFD, above)
    for number, fd in moved.items():
        os.dup2(fd, number)
    kept = [-1, *sorted(moved), _descriptors()]
    for low, high in itertools.pairwise(kept):
        if low + 1 < high:  # an empty range is taken for all
            os.closerange(low + 1, high)


def _mount(home: str, size: int) -> None:
    """A writable folder and a /proc of our own, over those that were there."""
    _call("mount", b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
    options = f"size={size},mode=1777".encode()
    _call("mount", b"tmpfs", home.encode(), b"tmpfs", _NO_SUID | _NO_DEVICES, options)
    _call("mount", b"proc", b"/proc", b"proc", _NO_SUID | _NO_DEVICES | _NO_EXECUTION, None)


def _drop(uid: int | None) -> None:
    """Give up every privilege for good; raises OSError if one is left."""
    capability = 0
    while _libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0) == 0:
        capability += 1
    _call("prctl", _AMBIENT, _CLEAR_ALL, 0, 0, 0)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    left = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
    if left or 0 in os.getresuid() or 0 in os.getresgid():
        raise OSError(f"privileges are left: {', '.join(left) or 'root'}")


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
