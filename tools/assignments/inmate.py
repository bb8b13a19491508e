"""Runs a submission, inside the jail: first its cells, then whatever functions are asked for.

It knows no test and no right answer. It only says what came out, so a submission that takes it over
gains nothing: it can but send other answers. `guard.py` loads this file by its path.
"""

import contextlib
import importlib.machinery
import importlib.util
import itertools
import os
import signal
import sys
import types
from pathlib import Path

import torch

_spec = importlib.util.spec_from_file_location("wire", Path(__file__).with_name("wire.py"))
wire = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wire)


class _TooLong(BaseException):
    """Past its time; no `except Exception` of a submission catches it."""


def _ring(*_):
    raise _TooLong


@contextlib.contextmanager
def _at_most(cpu, wall):
    """Seconds of work, and seconds on the clock, which is longer where the machine is busy."""
    signal.signal(signal.SIGPROF, _ring)
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    signal.setitimer(signal.ITIMER_REAL, wall)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _no_checks():
    """Stand in for Otter: the visible checks of a notebook do nothing here."""
    quiet = types.SimpleNamespace(check=lambda *a, **k: None, check_all=lambda *a, **k: None)
    module = types.ModuleType("otter")
    module.Notebook = lambda *a, **k: quiet
    module.__spec__ = importlib.machinery.ModuleSpec("otter", None)
    sys.modules["otter"] = module


def _said(error):
    if isinstance(error, _TooLong):
        return "took too long"
    return f"{type(error).__name__}: {error}"[:500]


def main(channel, alone):
    """Run what comes over the channel, a socket, until the grader hangs up.

    Where this process is alone in its namespace, whatever a submission has left running is killed
    before its next turn: a signal to -1 goes to all but the first process and the sender.
    """
    me = os.getpid()
    torch.set_num_threads(1)
    _no_checks()
    names = {"__name__": "__main__", "display": lambda *a, **k: None}
    handles, numbers = {}, itertools.count()

    def lend(function):
        number = next(numbers)
        handles[number] = function
        return {"handle": number}

    def find(reference):
        if "name" in reference:
            return names[reference["name"]]
        return handles[reference["handle"]]

    def run(message):
        if message["do"] == "cell":
            exec(compile(message["source"], message["where"], "exec"), names)
            return None
        if message["do"] == "define":
            own = {}
            exec(message["source"], own)
            return wire.encode(own[message["name"]], lend)
        if message["do"] == "get":
            if message["name"] not in names:
                return {"missing": True}
            return wire.encode(names[message["name"]], lend)
        function = find(message["function"])
        args = [wire.decode(a, find) for a in message["args"]]
        kwargs = {k: wire.decode(v, find) for k, v in message["kwargs"].items()}
        result = function(*args, **kwargs)
        after = [wire.encode(a, lend) for a in args]
        return {"result": wire.encode(result, lend), "after": after}

    wire.send(channel, {"ready": True})
    while True:
        message = wire.receive(channel)
        try:
            with _at_most(message["cpu"], message["wall"]):
                reply = {"said": run(message)}
        except BaseException as error:  # SystemExit and KeyboardInterrupt are answers, too
            reply = {"error": _said(error)}
        if os.getpid() != me:  # a fork of a submission that came all the way back
            os._exit(0)
        if alone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        wire.send(channel, {**reply, "turn": message["turn"]})
