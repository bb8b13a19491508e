"""Print a page of the book as PDF with the Chromium that is on PATH."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """Path of the first browser of `BROWSERS` on PATH, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def print_pdf(page: Path, pdf: Path) -> None:
    """Print `page` (HTML) to `pdf`; an earlier PDF stays as it was where this fails.

    Raises:
        FileNotFoundError: No browser, or no page.
        RuntimeError: The browser wrote nothing.
    """
    browser = find_browser()
    if browser is None:
        raise FileNotFoundError(
            f"no browser on PATH (looked for {', '.join(BROWSERS)}): install Chromium"
        )
    if not page.is_file():
        raise FileNotFoundError(f"{page} does not exist")
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "book.pdf"
        done = subprocess.run(
            [
                browser,
                *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--disable-sync", f"--user-data-dir={folder}/profile"),
                # Fonts arrive after the page; give them time that passes at once.
                *("--virtual-time-budget=20000", "--no-pdf-header-footer"),
                f"--print-to-pdf={part}",
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode != 0 or not part.is_file():
            raise RuntimeError(f"{browser} printed no PDF of {page}: {done.stderr[-400:]}")
        shutil.move(part, pdf)


if __name__ == "__main__":
    try:
        print_pdf(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, RuntimeError) as error:
        sys.exit(str(error))
