"""Sandboxes that start warm: the zygotes of a batch, and how a judge starts processes from them.

What a zygote does inside its bubblewrap is in `zygote`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from grader.solutions.sandbox import (
    CODE,
    HOME,
    MAIN,
    START_TIMEOUT,
    TMPFS,
    CannotStart,
    Launcher,
    claim_uid,
    drops_inside,
    explain,
    launcher,
)

_CREDENTIALS = struct.Struct("3i")  # of whoever sent a message: pid (as we see it), uid and gid
_PRINTED = "printed"  # what zygotes print, beside their address


class Zygotes:
    """Processes that have imported torch, from which the judges of a batch start their sandboxes.

    modules: what they import, torch with them; None for nothing. judges: how many there are at once. Where forks can
    have a uid of their own one zygote serves all judges, otherwise there is one for each: the kernel counts the
    processes of a user, and a submission's must not count against another's. address: where judges find them.
    """

    def __init__(self, modules: tuple[str, ...] | None, judges: int = 1) -> None:
        self.modules = modules
        self._shared = drops_inside()
        self._folder = tempfile.TemporaryDirectory(prefix="torch-kata-")  # nobody else may enter it
        self._count = 1 if self._shared else judges
        self._running: list[tuple[Launcher, subprocess.Popen[bytes]]] = []
        self.address = str(Path(self._folder.name, "zygotes"))

    def start(self) -> None:
        """Start those that do not run, and go on while they import. Raises SandboxError if none can be had."""
        for start, process in self._running:
            if process.poll() is not None:
                start.close()
        self._running = [(start, process) for start, process in self._running if process.poll() is None]
        if len(self._running) == self._count:
            return
        Path(self.address).unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
            open(Path(self.address).with_name(_PRINTED), "wb") as printed,
        ):
            with _short(self.address) as address:
                listener.bind(address)
            listener.listen()
            while len(self._running) < self._count:
                start = launcher("bubblewrap", warm=True)
                arguments = {
                    "listener": listener.fileno(),
                    "shared": self._shared,
                    "home": HOME,
                    "size": TMPFS,
                    "modules": self.modules,
                }
                output = printed.fileno()
                script = MAIN.format(module="zygote")
                process = start.python(script, [CODE, json.dumps(arguments)], output, output, [listener.fileno()])
                self._running.append((start, process))

    def close(self) -> None:
        """End them, and whatever was started from them."""
        for start, process in self._running:
            process.kill()
            process.wait()
            start.close()
        self._running = []
        self._folder.cleanup()


class WarmLauncher:
    """Starts processes as a `Launcher` of the level bubblewrap does, as forks of a zygote: one at a time.

    address: of the zygotes. Where one that is lost is started again, the next process comes from the new one.
    """

    level = "bubblewrap"
    home, code = HOME, CODE

    def __init__(self, address: str) -> None:
        self.address = address
        self.uid, self._claim = _own_uid()
        self._channel: socket.socket | None = None
        self._ready = False

    def start(self) -> None:
        """Go to a zygote, which may still import. Raises SandboxError if there is none."""
        if self._channel is not None:
            return
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            with _short(self.address) as address:
                channel.connect(address)
        except OSError:
            channel.close()
            raise self._lost() from None
        self._channel, self._ready = channel, False

    def python(
        self, script: str, arguments: list[str], stdout: int, stderr: int, pass_fds: Iterable[int] = ()
    ) -> WarmProcess:
        """As `Launcher.python`; waits until the zygote has imported what it should."""
        self.start()
        assert self._channel is not None
        if not self._ready:
            self.hear(b"ready", START_TIMEOUT)
            self._ready = True
        fds = {number: number for number in pass_fds} | {1: stdout, 2: stderr}
        order = {"script": script, "arguments": arguments, "numbers": list(fds), "uid": self.uid}
        with contextlib.suppress(OSError):  # then nothing is heard
            socket.send_fds(self._channel, [json.dumps(order).encode()], list(fds.values()))
        return WarmProcess(self, self.hear(b"started", START_TIMEOUT))

    def hear(self, word: bytes, seconds: float) -> int:
        """Wait for a word of the zygote's; returns the pid of the fork that said it, as we see it.

        Another word, or none, ends the conversation and raises SandboxError with what zygotes printed.
        """
        heard, pid = b"", 0
        if self._channel is not None and select.select([self._channel], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                heard, told, _, _ = self._channel.recvmsg(64, socket.CMSG_SPACE(_CREDENTIALS.size))
                pid = next((_CREDENTIALS.unpack(data)[0] for _, _, data in told), 0)
        if heard != word or not pid:
            self.close()
            raise self._lost()
        return pid

    def end(self) -> None:
        """Have the zygote end what it started, and the kernel with that all that is in its namespace."""
        with contextlib.suppress(OSError):
            if self._channel is not None:
                self._channel.send(b"end")

    def _lost(self) -> CannotStart:
        said = ""
        with contextlib.suppress(OSError):
            said = Path(self.address).with_name(_PRINTED).read_text(errors="replace")
        return CannotStart(explain(self.level, said))

    def close(self) -> None:
        """Leave the zygote, which then ends what it started."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


@contextlib.contextmanager
def _short(address: str) -> Iterator[str]:
    """A path to the same place: a socket's has 107 bytes at most, and the folder for temporary files may lie deep."""
    folder, name = os.path.split(address)
    opened = os.open(folder, os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{name}"
    finally:
        os.close(opened)


def _own_uid() -> tuple[int | None, IO[bytes] | None]:
    """The uid that forks of a shared zygote change to for one judge, and the file that claims it."""
    return claim_uid() if drops_inside() else (None, None)


@dataclass(frozen=True)
class WarmProcess:
    """What a zygote started. pid: as we see it, with all others of the sandbox below it."""

    launcher: WarmLauncher
    pid: int

    def kill(self) -> None:
        """End it, if it still runs."""
        self.launcher.end()

    def wait(self) -> None:
        """Wait until it has ended. Raises SandboxError if the zygote has gone: then nobody knows what ended it."""
        self.launcher.hear(b"ended", 30.0)
