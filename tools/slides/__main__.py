"""Build the slides: `python -m tools.slides html`, and their PDFs: `python -m tools.slides pdf`."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.print_pdf import BROWSERS, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "course" / "slides"
BUILT = ROOT / "_build" / "slides"
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync")


def build(sources: Path = SOURCES, built: Path = BUILT) -> subprocess.CompletedProcess:
    """Build all decks of a folder afresh, each warning an error; return what Sphinx said."""
    command = [sys.executable, "-m", "sphinx", "-b", "revealjs", "-q", "-E", "-W", "--keep-going"]
    return subprocess.run(
        [*command, *("-c", str(SOURCES), "-d", str(built / ".doctrees")), str(sources), str(built)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def print_decks(chromium: "Browser", decks: Iterable[Path]) -> list[Path]:
    """Print decks (HTML) as PDF beside them, a page a slide; return the PDFs."""
    printed = []
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    for deck in decks:
        page.goto(f"{deck.resolve().as_uri()}?print-pdf", wait_until="load")
        page.wait_for_selector(".pdf-page", state="attached")
        page.evaluate("() => document.fonts.ready.then(() => true)")
        pdf = deck.with_suffix(".pdf")
        page.pdf(path=pdf, prefer_css_page_size=True, print_background=True)
        printed.append(pdf)
    page.close()
    return printed


@click.group()
def cli() -> None:
    """Slides of every chapter, made of what its executed notebook shows."""


@cli.command()
def html() -> None:
    """Build all decks into _build/slides."""
    done = build()
    if done.returncode:
        sys.exit(done.stderr or done.stdout)


@cli.command()
def pdf() -> None:
    """Print the built decks as PDF."""
    from playwright.sync_api import sync_playwright

    decks, browser = sorted(BUILT.glob("[0-9]*.html")), find_browser()
    if not decks:
        sys.exit("no slides are built: run `python -m tools.slides html` first")
    if browser is None:
        sys.exit(f"no browser on PATH (looked for {', '.join(BROWSERS)}): install Chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(QUIET))
        print_decks(chromium, decks)
        chromium.close()


if __name__ == "__main__":
    cli()
