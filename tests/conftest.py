"""What every test shares: where things are, and the browser."""

import os
from pathlib import Path

import pytest

from tools.print_pdf import BROWSERS, find_browser

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; skips without one, or fails where REQUIRE_BROWSER=1 asks for it."""
    if path := find_browser():
        return path
    reason = f"no browser on PATH (looked for {', '.join(BROWSERS)})"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and REQUIRE_BROWSER=1: install chromium", pytrace=False)
    pytest.skip(reason)
