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


@pytest.fixture(scope="session")
def real() -> Path:
    """The real Omniglot, which is too large for the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "omniglot"
    folder = Path(os.environ.get("MAML_TUTORIAL_OMNIGLOT", default))
    if not (folder / "images_background.zip").exists():
        pytest.skip(
            f"no real Omniglot in {folder}: set MAML_TUTORIAL_OMNIGLOT to a folder with its zips"
        )
    return folder
