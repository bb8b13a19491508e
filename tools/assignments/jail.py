"""Processes that are shut off: what runs there sees Python, its packages, and nothing else.

On Linux each gets namespaces of its own (files, processes, network), a file system that holds only
what is listed here, read-only, and 80 MB to write into, another user, and limits on memory,
processes and time. It needs root or user namespaces; without these `Guard` refuses, unless told
that weak walls will do.
"""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
PYTHON = Path(sys.prefix).resolve() / "bin" / Path(sys.executable).name
USER = 61_743  # nobody has it, so nobody's processes count against its limit
GIGABYTE = 2**30
MOST = {"memory": 2 * GIGABYTE, "processes": 64, "file": 32 * 2**20}


class WeakWallsError(RuntimeError):
    """This machine offers no walls that deserve the name."""


def walls_hold() -> bool:
    """Whether a process can get namespaces of its own here."""
    if not sys.platform.startswith("linux") or not shutil.which("unshare"):
        return False
    command = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork"]
    command += ["--user", "--map-root-user"] if os.geteuid() else []
    return subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode == 0


def visible_folders(package: bool) -> list[str]:
    """Return what is seen inside: the system's libraries, Python, its packages, ours if wanted."""
    paths = sysconfig.get_paths()
    wanted = [Path(p) for p in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/fonts")]
    wanted += [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()]
    wanted += [Path(paths[key]).resolve() for key in ("purelib", "platlib", "stdlib")]
    wanted += [ROOT / "maml_tutorial"] if package else []
    seen: list[Path] = []
    for path in sorted({p for p in wanted if p.exists()}, key=lambda p: len(p.parts)):
        if ROOT.is_relative_to(path):
            raise WeakWallsError(f"{path} holds the tests and Python both: move one of them")
        if path.is_symlink() or not any(path.is_relative_to(s) for s in seen if s.is_dir()):
            seen.append(path)
    return [str(path) for path in seen]


class Guard:
    """Makes jails. Use it in a `with`.

    Args:
        weak: make do with limits and another process, where there are no namespaces.

    Raises:
        WeakWallsError: where there are none, and that was not allowed.

    Attributes:
        walls: in words, what shuts a submission off here.
    """

    def __init__(self, *, weak: bool = False) -> None:
        self.jailed = walls_hold()
        if not self.jailed and not weak:
            raise WeakWallsError(
                "no walls here (they need Linux, util-linux, and root or user namespaces): grade "
                "in a virtual machine, or say WEAK=1 if you trust the submissions"
            )
        root = os.geteuid() == 0
        self.user = USER if root and (self.jailed or _reachable()) else None
        if root and not self.user:
            raise WeakWallsError("neither walls nor another user: never run submissions as root")
        self.walls = "a process and limits of its own"
        if self.jailed:
            self.walls += ", no network, no file but Python's, another user"
        elif self.user:
            self.walls += ", another user"
        self.control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.home = tempfile.mkdtemp(prefix="guard-")
        words = {"PATH": "/usr/bin:/bin", "HOME": self.home, "MPLCONFIGDIR": self.home}
        # `-I`: neither the folder it stands in nor the environment may slip a module in.
        self.process = subprocess.Popen(
            [PYTHON, "-I", HERE.with_name("guard.py"), str(inner.fileno())],
            pass_fds=[inner.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("JAIL_LOUD") else subprocess.DEVNULL,
            env={**words, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        inner.close()
        self.control.settimeout(300)
        if self.control.recv(10) != b"ready":
            raise WeakWallsError("the guard did not start; JAIL_LOUD=1 shows why")

    def jail(self, *, package: bool, seconds: float) -> "Jail":
        """Start a process behind walls. After `seconds` everything in it is killed."""
        return Jail(self, package=package, seconds=seconds)

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def _reachable() -> bool:
    """Whether another user may run this Python."""
    words: dict[str, Any] = {"user": USER, "capture_output": True, "timeout": 60}
    try:
        return subprocess.run([PYTHON, "-c", "import torch"], **words).returncode == 0
    except OSError:
        return False


class Jail:
    """One process behind walls; see `Guard.jail`.

    Attributes:
        channel: a socket to `inmate.py`.
    """

    def __init__(self, guard: Guard, *, package: bool, seconds: float) -> None:
        self.channel, inner = socket.socketpair()
        answer, question = socket.socketpair()
        self.at = tempfile.mkdtemp(prefix="jail-")
        if guard.user and not guard.jailed:
            os.chown(self.at, guard.user, guard.user)
        installed = Path(sysconfig.get_path("purelib")).resolve() / "maml_tutorial"
        order = {
            "at": self.at,
            "jailed": guard.jailed,
            "root": os.geteuid() == 0,
            "user": guard.user,
            "path": [str(ROOT)] if package else [],
            "show": visible_folders(package) if guard.jailed else [],
            "hide": [str(installed)] if installed.is_dir() and not package else [],
            "most": {**MOST, "cpu": int(seconds) + 5},
        }
        socket.send_fds(
            guard.control, [json.dumps(order).encode()], [inner.fileno(), question.fileno()]
        )
        inner.close()
        question.close()
        answer.settimeout(60)
        self.pid = int(answer.recv(20) or 0)
        answer.close()
        if not self.pid:
            raise WeakWallsError("no process behind walls came; JAIL_LOUD=1 shows why")
        self._group = not guard.jailed
        self._ends = time.monotonic() + seconds
        self._open = True
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """Kill all that runs in there: a namespace of processes ends with its first one."""
        if self._open:
            self._open = False
            self.channel.close()
            self._kill()
            shutil.rmtree(self.at, ignore_errors=True)

    def _kill(self) -> None:
        below = descendants(self.pid) if self._group else []
        for pid in [self.pid, *below]:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _watch(self) -> None:
        """Kill it when its time is over, or when all of it together takes too much memory."""
        while self._open and os.path.exists(f"/proc/{self.pid}"):
            if time.monotonic() > self._ends or memory_of(self.pid) > MOST["memory"]:
                self._kill()
                return
            time.sleep(0.1)


def descendants(pid: int) -> list[int]:
    """Return the numbers of all processes that descend from one (Linux)."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
        except OSError:
            pass
    return found


def memory_of(pid: int) -> int:
    """Return the memory, in bytes, that a process and its descendants have to themselves (Linux).

    What they share is the libraries, which are there once.
    """
    total = 0
    for one in [pid, *descendants(pid)]:
        try:
            _, resident, shared, *_ = map(int, Path(f"/proc/{one}/statm").read_text().split())
            total += resident - shared
        except (OSError, ValueError):
            pass
    return total * resource.getpagesize()
