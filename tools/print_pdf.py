"""Print a page of the book as PDF with the Chromium that is on PATH.

A book is printed twice: the first time shows on which page each chapter begins, the second time its
contents say so.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """Path of the first browser of `BROWSERS` on PATH, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


CONTENTS = re.compile(r'(<div id="jb-print-toc">.*?</nav>)', re.DOTALL)
ENTRY = re.compile(r'(<a [^>]*href="#([^"]+)"[^>]*>)(.*?)</a>', re.DOTALL)
AUTHOR = re.compile(r'<p class="component-author">\s*(.*?)\s*</p>', re.DOTALL)
LICENCE = re.compile(r'<div class="extra_footer">\s*(.*?)\s*</div>', re.DOTALL)


def with_title_page(html: str, pages: Mapping[str, int]) -> str:
    """Return a single page's HTML with a title page, and with page numbers in its contents.

    Args:
        html: the book on one page; any other page comes back as it is.
        pages: on which page what a line of the contents leads to begins; "000" where not known.

    Example:
        >>> html = '<div id="jb-print-toc"><nav><a href="#one">One</a></nav></div>'
        >>> print(with_title_page(html, {"one": 3}))
        <div class="print-title"></div><div id="jb-print-toc"><nav><a href="#one"><span
        class="print-name">One</span><span class="print-page">3</span></a></nav></div>
    """

    def numbered(entry: re.Match) -> str:
        link, name, words = entry.groups()
        number = f'<span class="print-page">{pages.get(name, "000")}</span>'
        return f'{link}<span class="print-name">{words}</span>{number}</a>'

    def front(contents: re.Match) -> str:
        lines = (found[1] for pattern in (AUTHOR, LICENCE) if (found := pattern.search(html)))
        title = "".join(f"<p>{line}</p>" for line in lines)
        return f'<div class="print-title">{title}</div>{ENTRY.sub(numbered, contents[1])}'

    return CONTENTS.sub(front, html, count=1)


def pages_of(pdf: Path, html: str) -> dict[str, int]:
    """Read on which page of a printed book each line of its contents leads."""
    from pypdf import PdfReader

    contents = CONTENTS.search(html)
    names = {entry[2] for entry in ENTRY.finditer(contents[1])} if contents else set()
    reader = PdfReader(pdf)
    places = reader.named_destinations if names else {}
    found = {
        name.lstrip("/"): reader.get_destination_page_number(at) for name, at in places.items()
    }
    return {name: found[name] + 1 for name in names if found.get(name) is not None}


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
    html = page.read_text("utf-8")
    # Beside the page, so that its styles and fonts are found.
    sheet = page.with_name(f".{page.stem}-to-print.html")
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "book.pdf"
        try:
            sheet.write_text(with_title_page(html, {}), "utf-8")
            _print(browser, sheet, part)
            if pages := pages_of(part, html):
                sheet.write_text(with_title_page(html, pages), "utf-8")
                _print(browser, sheet, part)
        finally:
            sheet.unlink(missing_ok=True)
        shutil.move(part, pdf)


def _print(browser: str, page: Path, pdf: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                browser,
                *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--disable-sync", f"--user-data-dir={folder}/profile"),
                # Fonts arrive after the page; give them time that passes at once.
                *("--virtual-time-budget=20000", "--no-pdf-header-footer"),
                "--generate-pdf-document-outline",
                f"--print-to-pdf={pdf}",
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode != 0 or not pdf.is_file():
            raise RuntimeError(f"{browser} printed no PDF of {page}: {done.stderr[-400:]}")


if __name__ == "__main__":
    try:
        print_pdf(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, RuntimeError) as error:
        sys.exit(str(error))
