"""What runs in a sandbox, seen from outside: how much it uses, and how to end it.

A `Namespace` looks through the /proc of a sandbox that was started warm, where nobody else's processes are; a `Tree`
looks for descendants, or for a uid, among all processes of the machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Seen:
    """One process. seconds: of processor time, of its ended children too; memory: resident bytes."""

    pid: int
    parent: int
    seconds: float
    memory: int
    threads: int


class Watch(Protocol):
    """Looks at the processes of one sandbox, by numbers that mean something to this watch only."""

    worker: int  # the outermost one that answers

    def look(self) -> dict[int, Seen]:
        """All processes by number."""

    def share(self, pid: int) -> int:
        """Bytes of memory of a process, what it shares divided among those that do."""

    def kill(self, pids: set[int]) -> None:
        """Stop them all, so that none makes another meanwhile, then end them."""


class Namespace:
    """The namespace whose first process we see under this number."""

    def __init__(self, first: int) -> None:
        self._first = psutil.Process(first)
        self._proc = Path(f"/proc/{first}/root/proc")
        self.worker = 1
        os.listdir(self._proc)  # raises OSError where we may not look

    def look(self) -> dict[int, Seen]:
        found = {}
        with contextlib.suppress(OSError):
            for name in os.listdir(self._proc):
                if name.isdecimal():
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        stat = (self._proc / name / "stat").read_text(errors="replace")
                        fields = stat.rpartition(")")[2].split()  # the name before them may hold anything
                        if fields[0] not in "ZX":  # ended, though nobody has been told yet
                            found[int(name)] = _seen(int(name), fields)
        return found

    def share(self, pid: int) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in (self._proc / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        return 0

    def kill(self, pids: set[int]) -> None:
        ours = []
        with contextlib.suppress(psutil.Error):
            for process in self._first.children(recursive=True):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    status = Path(f"/proc/{process.pid}/status").read_text(errors="replace")
                    inside = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
                    if int(inside) in pids:
                        ours.append(process)
        _kill(ours)


def _seen(pid: int, fields: list[str]) -> Seen:
    """What /proc/PID/stat says after the name."""
    return Seen(pid, int(fields[1]), sum(map(int, fields[11:15])) / TICKS, int(fields[21]) * PAGE, int(fields[17]))


class Tree:
    """The descendants of a process, or all of one uid: an orphan leaves a tree, not its uid."""

    def __init__(self, starter: int, uid: int | None = None) -> None:
        self._starter = starter
        self._uid = uid
        seen = self.look()
        self.worker = max(seen.keys() - {s.parent for s in seen.values()}, default=0)

    def _processes(self) -> list[psutil.Process]:
        if self._uid is not None:
            return [p for p in psutil.process_iter(["uids"]) if (u := p.info["uids"]) and u.real == self._uid]
        try:
            starter = psutil.Process(self._starter)
            return [starter, *starter.children(recursive=True)]
        except psutil.Error:
            return []

    def look(self) -> dict[int, Seen]:
        found = {}
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds = times.user + times.system + times.children_user + times.children_system
                memory, threads = process.memory_info().rss, process.num_threads()
                found[process.pid] = Seen(process.pid, process.ppid(), seconds, memory, threads)
        return found

    def share(self, pid: int) -> int:
        try:
            return int(psutil.Process(pid).memory_full_info().pss)
        except (psutil.Error, OSError, AttributeError):
            return 0

    def kill(self, pids: set[int]) -> None:
        _kill([process for process in self._processes() if process.pid in pids])


def _kill(processes: list[psutil.Process]) -> None:
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.Error, OSError):
                process.send_signal(number)
