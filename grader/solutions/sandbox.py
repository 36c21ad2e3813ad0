"""How a sandbox is started: the three levels and their command lines. The test that each must pass is in `self_test`.

- `bubblewrap`: its own namespaces, no network, read-only binds of the system, the interpreter and the environment, one
  small tmpfs to write to, another uid. What runs there is never left uid 0: root either drops to another uid first or,
  where others cannot read the interpreter (below /root, say), starts it without a user namespace and drops inside.
  Started warm (`zygotes`), a process imports torch there once and forks, for each submission, a worker into namespaces
  of its own.
- `uid`: for root inside a container where namespaces are refused: another uid, and a filter of system calls.
- `none`: nothing but another process, for one's own code.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

LEVELS = ("bubblewrap", "uid", "none")
HOME = "/home/kata"
CODE = "/kata"
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")
FIRST_UID, UIDS = 61184, 4096  # what systemd gives to dynamic users: no account has them
TMPFS = 128 * 2**20  # bytes
# All that the worker needs of this package.
WORKER_FILES = (
    *("__init__.py", "evidence.py", "solutions/__init__.py", "solutions/program.py", "solutions/execution.py"),
    *("solutions/syscalls.py", "solutions/worker.py", "solutions/zygote.py"),
)
PACKAGE = Path(__file__).resolve().parents[1]
CLAIMS = Path("/run/torch-kata")  # a locked file for each uid that a sandbox of this machine has
START_TIMEOUT = 120.0  # seconds for importing torch, on a cold and busy disk
# Runs `main` of one of our modules inside. Its arguments: the folder that this package is in, and main's as JSON.
MAIN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from grader.solutions.{module} import main
main(**json.loads(sys.argv[2]))
"""


class SandboxError(Exception):
    """No sandbox of that level can be had here; the message says why and what to do."""


class UsedUp(SandboxError):
    """One submission has used up more sandboxes than it may."""


class CannotStart(SandboxError):
    """It does not start at all, or says nothing."""


@dataclass(frozen=True)
class Launcher:
    """Starts processes at one level. uid: the one that they get, None for our own."""

    level: str
    prefix: tuple[str, ...] = ()
    uid: int | None = None
    drop_first: bool = False
    home: str = HOME
    code: str = CODE
    environment: dict[str, str] = field(default_factory=dict)
    claim: IO[bytes] | None = None

    def python(
        self, script: str, arguments: list[str], stdout: int, stderr: int, pass_fds: Iterable[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start our Python on a script inside the sandbox, with nothing as its input."""
        command = [*self.prefix, sys.executable, "-I", "-B", "-c", script, *arguments]
        options: dict[str, Any] = {"env": self.environment, "cwd": "/", "start_new_session": True}
        options |= {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr, "pass_fds": tuple(pass_fds)}
        if self.drop_first:
            options |= {"user": self.uid, "group": self.uid, "extra_groups": []}
        return subprocess.Popen(command, **options)

    def close(self) -> None:
        """Remove what was made for it, and whatever still runs under its uid."""
        if self.level == "uid" and self.uid is not None:
            _kill_all_of(self.uid)
        if self.level != "bubblewrap":
            shutil.rmtree(self.home, ignore_errors=True)
        if self.claim is not None:
            self.claim.close()


class Started(Protocol):
    """A process that a launcher started. pid: as we see it, with all others of the sandbox below it."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None:
        """End it, if it still runs."""

    def wait(self) -> Any:
        """Wait until it has ended."""


def launcher(level: str, *, warm: bool = False) -> Launcher:
    """A launcher of that level, with a uid that no other sandbox of this machine has. warm: for a zygote."""
    environment = {
        **{"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"},
        **{name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")},
    }
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # a machine that needs them computes wrongly without
        if name in os.environ:
            environment[name] = os.environ[name]
    uid, claim = claim_uid() if os.geteuid() == 0 and level != "none" else (0, None)
    if level == "bubblewrap":
        return _bubblewrap(environment, uid, claim, warm)
    if level == "uid":
        if os.geteuid() != 0:
            raise SandboxError("the uid level needs root (it is meant for the inside of a container)")
        if private := _private(_roots()):
            raise SandboxError(
                f"the uid level needs an interpreter that other users can read, and {private} keeps them out:"
                " install Python and the environment elsewhere, or grade with --sandbox bubblewrap"
            )
    home = tempfile.mkdtemp(prefix="torch-kata-")
    environment |= {"HOME": home, "TMPDIR": home}
    if level == "none":
        return Launcher("none", (), None, False, home, str(PACKAGE.parent), environment)
    os.chown(home, uid, uid)
    code = Path(home, "code")
    _copy_worker(code)
    return Launcher("uid", (), uid, True, home, str(code), environment, claim)


def claim_uid() -> tuple[int, IO[bytes]]:
    """A uid, and the locked file that keeps it ours until it is closed, or this process ends."""
    CLAIMS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(UIDS):
        uid = FIRST_UID + (os.getpid() + number) % UIDS
        file = open(CLAIMS / str(uid), "wb")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
        else:
            return uid, file
    raise SandboxError(f"all {UIDS} uids for sandboxes are in use (see {CLAIMS})")


def _bubblewrap(environment: dict[str, str], uid: int, claim: IO[bytes] | None, warm: bool) -> Launcher:
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError(
            "bubblewrap is not installed: on Debian or Ubuntu type `sudo apt-get install bubblewrap`"
            " (or grade your own code with --sandbox none --trust)"
        )
    environment = {**environment, "HOME": HOME, "TMPDIR": HOME}
    root, inside = os.geteuid() == 0, drops_inside()
    arguments = [program, "--die-with-parent", "--new-session", "--clearenv"]
    if inside:
        for namespace in ("pid", "net", "ipc", "uts", "cgroup-try"):
            arguments.append(f"--unshare-{namespace}")
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            arguments += ["--cap-add", capability]
    else:
        arguments.append("--unshare-all")
    if warm:  # for namespaces within these; whatever is forked for a submission gives them up
        arguments += ["--cap-add", "CAP_SYS_ADMIN", *([] if inside else ["--cap-add", "CAP_SETPCAP"])]
    made: set[str] = set()

    def parents(path: str) -> None:
        for parent in reversed(Path(path).parents):
            if str(parent) != "/" and str(parent) not in made:
                made.add(str(parent))
                arguments.extend(["--perms", "0755", "--dir", str(parent)])

    for name in SYSTEM:
        if os.path.islink(name):
            arguments += ["--symlink", os.readlink(name), name]
        elif os.path.exists(name):
            parents(name)
            arguments += ["--ro-bind", name, name]
        made.add(name)
    for path in _roots():
        if not any(path == known or path.startswith(f"{known}/") for known in ("/usr", "/lib")):
            parents(path)
            arguments += ["--ro-bind", path, path]
            made.add(path)
    for name in WORKER_FILES:
        parents(f"{CODE}/grader/{name}")
        arguments += ["--ro-bind", str(PACKAGE / name), f"{CODE}/grader/{name}"]
    for name in DEVICES:
        parents(f"/dev/{name}")
        arguments += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    parents(HOME)
    arguments += ["--proc", "/proc", "--size", str(TMPFS), "--perms", "1777", "--tmpfs", HOME]
    arguments += ["--remount-ro", "/", "--chdir", HOME]
    for key, value in environment.items():
        arguments += ["--setenv", key, value]
    arguments.append("--")
    if inside and not warm:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise SandboxError("setpriv is not installed: on Debian or Ubuntu type `apt-get install util-linux`")
        arguments += [setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all"]
        arguments += ["--inh-caps=-all", "--no-new-privs"]
    return Launcher("bubblewrap", tuple(arguments), uid if root else None, root and not inside, HOME, CODE, {}, claim)


def drops_inside() -> bool:
    """Whether bubblewrap is started as root, who becomes another inside: where others cannot read the interpreter."""
    return os.geteuid() == 0 and _private([*_roots(), str(PACKAGE)]) is not None


@cache
def _roots() -> tuple[str, ...]:
    """The folders that hold the interpreter and its packages; none contains another."""
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}
    found |= {str(Path(sys.executable).resolve().parent.parent)}
    for package in ("torch", "numpy", "cloudpickle"):  # wherever a .pth file or PYTHONPATH found them
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            found.add(str(Path(spec.origin).parents[1]))
    paths = sorted({str(Path(path).resolve()) for path in found if os.path.isdir(path)} | {sys.prefix})
    return tuple(p for p in paths if not any(p != other and p.startswith(f"{other}/") for other in paths))


def _private(paths: Iterable[str]) -> str | None:
    """The first folder on the way to these paths that other users may not enter or read."""
    for path in paths:
        for folder in (*reversed(Path(path).parents), Path(path)):
            needed = stat.S_IXOTH | (stat.S_IROTH if str(folder) == path else 0)
            with contextlib.suppress(OSError):
                if folder.stat().st_mode & needed != needed:
                    return str(folder)
    return None


def _copy_worker(folder: Path) -> None:
    for name in WORKER_FILES:
        target = folder / "grader" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / name, target)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _kill_all_of(uid: int) -> None:
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == uid:
                process.kill()


def explain(level: str, error: str) -> str:
    """What to do about a sandbox that does not start."""
    said = error.strip().splitlines()[-1] if error.strip() else "no message"
    advice = ""
    if "ermission denied" in error or "not permitted" in error or "No permissions" in error:
        advice = (
            "\nThis machine refuses user namespaces to it. On Ubuntu 23.10 or later give bwrap an AppArmor profile"
            " (/etc/apparmor.d/bwrap with `userns,`; docs/security.md has it); inside a container, where Docker's"
            " default profile refuses them, grade as root with --sandbox uid."
        )
    return f"the sandbox ({level}) does not start: {said}{advice}"
