"""Stands at the door: forks the processes that submissions run in, each behind its own walls.

It is a process of its own, which has loaded torch (that takes seconds) and knows no test, no answer
and no path to either: a submission that reads all of its memory finds nothing. Started as a script
by `jail.py`, with its channel as a descriptor; imports nothing of the project but `inmate`.
"""

import contextlib
import ctypes
import importlib
import importlib.util
import json
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}  # the numbers of the system call
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 32, 4096, 16384, 1 << 18
)  # fmt: skip
NEW_FILES, NEW_UTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
)  # fmt: skip
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, MNT_DETACH = 1, 4, 38, 2


def _call(function: Any, *args: Any) -> None:
    if function(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: {args}")


def _kept(path: str) -> int:
    """Return the flags of a mount, which a mount of it may not lose."""
    found = os.statvfs(path).f_flag
    flags = found & (MS_NOSUID | MS_NODEV | 8 | 1024 | 2048)  # noexec, noatime, nodiratime
    return flags | (1 << 21 if found & 4096 else 0)  # relatime


def _build_walls(libc: Any, new: str, show: list[str], hide: list[str]) -> None:
    """Make a file system of what is listed alone, and leave the old one."""

    def mount(source: str, target: str, kind: str, flags: int, words: str = "") -> None:
        _call(libc.mount, source.encode(), target.encode(), kind.encode(), flags, words.encode())

    def place(path: str) -> None:
        os.makedirs(os.path.dirname(new + path), exist_ok=True)
        if os.path.isdir(path):
            os.makedirs(new + path, exist_ok=True)
        else:
            open(new + path, "x").close()

    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", new, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path, size in (("/home", "64m"), ("/tmp", "16m")):
        os.makedirs(new + path, exist_ok=True)
        mount("tmpfs", new + path, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode=1777")
    for path in show:
        if os.path.islink(path):
            os.symlink(os.readlink(path), new + path)
            continue
        place(path)
        mount(path, new + path, "", MS_BIND | MS_REC)
        mount("", new + path, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | _kept(new + path))
    for path in hide:
        mount("tmpfs", new + path, "tmpfs", MS_RDONLY, "size=4k")
    for path in ("/dev/null", "/dev/zero", "/dev/urandom"):
        place(path)
        mount(path, new + path, "", MS_BIND)
    os.makedirs(new + "/proc")
    try:
        mount("proc", new + "/proc", "proc", MS_NOSUID | MS_NODEV)
    except OSError:
        pass  # some containers forbid it; nothing here needs it
    os.makedirs(new + "/old")
    os.chdir(new)
    libc.syscall.restype = ctypes.c_long
    _call(libc.syscall, PIVOT_ROOT[os.uname().machine], b".", b"old")
    os.chdir("/")
    _call(libc.umount2, b"/old", MNT_DETACH)
    mount("", "/", "", MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, "size=1m,mode=755")


def _addresses() -> int:
    """Return how many bytes of addresses are in use: torch's libraries take some gigabytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 8 * 2**30
    return pages * resource.getpagesize()


def _drop(libc: Any, order: dict[str, Any]) -> None:
    """Become nobody in particular, with limits that nobody can lift."""
    if order["user"]:
        os.setgroups([])
        os.setresgid(order["user"], order["user"], order["user"])
        os.setresuid(order["user"], order["user"], order["user"])
    elif order["jailed"]:
        _call(libc.unshare, NEW_USER)  # and with it all rights over the other one
    if sys.platform.startswith("linux"):
        _call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limits = {
        resource.RLIMIT_AS: _addresses() + order["most"]["memory"],
        resource.RLIMIT_FSIZE: order["most"]["file"],
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: order["most"]["cpu"],
    }
    if order["jailed"] or order["user"]:
        limits[resource.RLIMIT_NPROC] = order["most"]["processes"]
    for kind, most in limits.items():
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            pass  # macOS knows no limit of addresses


def _apart(libc: Any, root: bool) -> None:
    """Leave the namespaces of everybody else; the next fork is the first process of its own."""
    user, group = os.getuid(), os.getgid()
    kinds = NEW_FILES | NEW_UTS | NEW_IPC | NEW_PROCESSES | NEW_NETWORK
    _call(libc.unshare, kinds if root else kinds | NEW_USER)
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _inside(order: dict[str, Any], channel: socket.socket, answer: socket.socket) -> None:
    """Tell the number of the process to kill, then become the submission's."""
    libc = ctypes.CDLL(None, use_errno=True)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    if order["jailed"]:
        _apart(libc, order["root"])
        first = os.fork()
        if first:
            answer.send(json.dumps(first).encode())
            os._exit(0)
        answer.close()
        _build_walls(libc, order["at"], order["show"], order["hide"])
        _call(libc.prctl, PR_SET_DUMPABLE, 0, 0, 0, 0)
        child = os.fork()
        if child:  # the first process of its namespace: when it ends, all of them do
            channel.close()
            os.waitpid(child, 0)
            os._exit(0)
    else:
        answer.send(json.dumps(os.getpid()).encode())
        answer.close()
    _drop(libc, order)
    home = "/home" if order["jailed"] else order["at"]
    os.chdir(home)
    os.environ.clear()
    os.environ.update({"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "USER": "student"})
    os.environ.update({"MAML_TUTORIAL_CACHE": home + "/cache", "OMP_NUM_THREADS": "1"})
    os.environ.update({"MPLBACKEND": "Agg", "MPLCONFIGDIR": home})
    sys.path += order["path"]
    sys.argv = ["submission"]
    inmate.main(channel, order["jailed"])
    os._exit(0)


def main() -> None:
    """Fork for every order that comes, until nobody orders any more."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    control.send(b"ready")
    while True:
        words, descriptors, _, _ = socket.recv_fds(control, 2**16, 2)
        if not words:
            return
        channel, answer = (socket.socket(fileno=fd) for fd in descriptors)
        if os.fork() == 0:
            control.close()
            try:
                _inside(json.loads(words), channel, answer)
            except BaseException:
                traceback.print_exc()  # shown with JAIL_LOUD=1
            finally:
                os._exit(1)
        channel.close()
        answer.close()


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("inmate", Path(__file__).with_name("inmate.py"))
    assert spec and spec.loader
    inmate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(inmate)
    # What submissions import, and the package too: loaded once here, and not once in each of them.
    for name in ("matplotlib.pyplot", "torch.func", "IPython.display", "ipywidgets", "tqdm.auto"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    main()
