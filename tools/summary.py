"""Say in the last lines of `make test` what ran: tests, notebook cells, and what was skipped."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple


class Count(NamedTuple):
    """How many test cases passed, failed and were skipped, with each reason for a skip."""

    passed: int
    failed: int
    skipped: int
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count(report: Path) -> Count:
    """Count the test cases of one JUnit report, as pytest's `--junit-xml` writes it.

    Raises:
        ValueError: The report holds no test case: nothing ran, which is no success.
    """
    cases = list(ET.parse(report).iter("testcase"))
    if not cases:
        raise ValueError(f"{report} holds no test case: nothing ran")
    failed = sum(1 for c in cases if c.find("failure") is not None or c.find("error") is not None)
    skips = [
        (c.get("name"), s.get("message", "")) for c in cases if (s := c.find("skipped")) is not None
    ]
    reasons = tuple(f"{name}: {why}" for name, why in skips)
    return Count(len(cases) - failed - len(skips), failed, len(skips), reasons)


def main(tests: Path, cells: Path) -> None:
    """Print the summary of both reports; the last line is their sum."""
    counts = {"tests": count(tests), "notebook cells": count(cells)}
    for what, found in counts.items():
        for reason in found.reasons:
            print(f"skipped {reason}")
        print(f"{what}: {found}")
    total = Count(*(sum(n) for n in zip(*(c[:3] for c in counts.values()), strict=True)))
    print(f"test: {total}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
