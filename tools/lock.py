"""Renew constraints.txt: the versions of all that requirements.txt pulls in."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HEAD = """\
# Made by `make lock`; do not edit. Versions of what requirements.txt pulls in, on every platform.
# Parts of torch that differ by platform (nvidia-*, cuda-*, triton) are left out: torch names them.
"""
BY_PLATFORM = re.compile(r"nvidia-|cuda-|triton$")


def pins(requirements: str) -> list[str]:
    r"""Lines of `requirements` that pin a package, without comments and options.

    Example:
        >>> pins("-c constraints.txt\ntorch==2.14.1  # every chapter\n\n# Test it")
        ['torch==2.14.1']
    """
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def constraints(report: dict, direct: list[str]) -> list[str]:
    """Pins of all packages in pip's installation report that `direct` does not pin itself."""
    found = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
        for item in report["install"]
    }
    known = {re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() for pin in direct}
    return sorted(
        f"{name}=={version}"
        for name, version in found.items()
        if name not in known and not BY_PLATFORM.match(name)
    )


def main(root: Path) -> None:
    """Resolve the direct pins afresh and write the rest to constraints.txt."""
    direct = pins((root / "requirements.txt").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
        if code := subprocess.run([sys.executable, "-m", "pip", *command, *direct]).returncode:
            sys.exit(code)
        lines = constraints(json.loads(report.read_text(encoding="utf-8")), direct)
    (root / "constraints.txt").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"lock: {len(lines)} versions in constraints.txt")


if __name__ == "__main__":
    main(Path(__file__).resolve().parent.parent)
