"""The test that a sandbox must pass before anything is graded in it: try from the inside what must not be possible."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from grader.solutions.sandbox import CannotStart, Launcher, SandboxError, explain, launcher
from grader.solutions.zygotes import WarmLauncher, Zygotes

_ATTEMPTS = """
import json, os, socket, sys
reference, port, judge, started, folders = json.loads(sys.argv[1])
def attempt(what):
    try:
        return bool(what())
    except Exception:
        return False
def listener():
    with socket.create_connection(("127.0.0.1", port), 1):
        return True
def core_pattern():
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    return True
def elsewhere():
    for folder in folders:
        try:
            with open(os.path.join(folder, f"torch-kata-{os.getpid()}"), "w"):
                pass
            os.unlink(os.path.join(folder, f"torch-kata-{os.getpid()}"))
            return True
        except OSError:
            pass
    return False
def judge_is_there():
    os.kill(judge, 0)
    with open(f"/proc/{judge}/stat") as file:  # another process may have that number in here
        return file.read().rsplit(")", 1)[1].split()[19] == started
sys.path.insert(0, sys.argv[2])
from grader.solutions.syscalls import refuse_system_calls
refuse_system_calls()
print(json.dumps({
    "read a reference": attempt(lambda: open(reference, "rb").read(1) or True),
    "reach a listener on this machine": attempt(listener),
    "signal another process": attempt(judge_is_there),
    "open core_pattern for writing": attempt(core_pattern),
    "write outside its own folder": attempt(elsewhere),
    "be root": attempt(lambda: os.getuid() == 0 and sys.argv[3] == "root"),
}))
"""


def self_test(level: str, secrets: list[Path]) -> bool:
    """Try from the inside what must not be possible. secrets: files that nobody inside may read.

    Returns whether sandboxes may be started warm. Raises SandboxError if something is possible, or if the sandbox does
    not start at all.
    """
    if level == "bubblewrap":
        with contextlib.suppress(CannotStart), contextlib.closing(Zygotes(None)) as zygotes:
            zygotes.start()
            _test(WarmLauncher(zygotes.address), secrets)
            return True
    if level != "none":
        _test(launcher(level), secrets)
    return False


def _test(start: Launcher | WarmLauncher, secrets: list[Path]) -> None:
    level = start.level
    try:
        for secret in secrets:
            found = _attempt(start, secret)
            possible = [what for what, done in found.items() if done]
            if possible:
                raise SandboxError(
                    f"at the level {level}, a submission could {' and '.join(possible)} ({secret}): refusing to grade."
                    + (f" Keep other users out of it: chmod -R go= {secret.parent}" if level == "uid" else "")
                )
    finally:
        start.close()


def _attempt(start: Launcher | WarmLauncher, secret: Path) -> dict[str, bool]:
    folders = ["/", "/usr", "/kata", str(secret.parent)]
    folders += ["/var/tmp"] if start.level == "bubblewrap" else []  # another uid may write there as everybody may
    with _listener() as port, tempfile.TemporaryFile() as out:
        told = [str(secret), port, os.getpid(), _started(os.getpid()), folders]
        user = "root" if os.geteuid() == 0 else "user"
        process = start.python(_ATTEMPTS, [json.dumps(told), start.code, user], out.fileno(), out.fileno())
        watch = threading.Timer(60, process.kill)
        watch.start()
        process.wait()
        watch.cancel()
        out.seek(0)
        said = out.read()
    try:
        answer = json.loads(said.splitlines()[-1])
        return {str(what): bool(done) for what, done in answer.items()}
    except (ValueError, IndexError, AttributeError):
        raise CannotStart(explain(start.level, said.decode(errors="replace"))) from None


def _started(pid: int) -> str:
    """When a process started, in ticks since boot: the same number inside and outside a pid namespace."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return ""


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
