"""Draw the picture that stands for the book where a page of it is shared.

    .venv/bin/python -m tools.preview_picture

It is the first page's drawing below the book's title, in the book's own letters.
"""

import io
from pathlib import Path

from tools.print_pdf import find_browser

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "book/assets/static/preview.png"
SIZE = (1200, 630)  # what those who show it ask for


def sheet(title: str, drawing: str) -> str:
    """Return the picture as a page of HTML."""
    font = (ROOT / "book/assets/static/fonts/source-serif-4.woff2").as_uri()
    return f"""<!DOCTYPE html><style>
    @font-face {{ font-family: F; src: url({font}); font-weight: 200 900 }}
    body {{ margin: 0; height: 630px; display: grid; align-content: center; justify-items: center;
      gap: 50px; background: #fdfcf9; color: #23262b; font: 600 62px/1.15 F }}
    h1 {{ font: inherit; margin: 0 90px; text-align: center; text-wrap: balance }}
    svg {{ width: 1040px; height: auto; background: none !important }}
    text {{ font-family: system-ui, sans-serif }}
    </style><h1>{title}</h1>{drawing[drawing.index("<svg") :]}"""


def draw(file: Path) -> None:
    """Write the picture, in the few colours that it has."""
    import yaml
    from PIL import Image
    from playwright.sync_api import sync_playwright

    title = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["title"]
    drawing = (ROOT / "book/assets/zoo.svg").read_text("utf-8")
    page_file = ROOT / ".make/preview.html"  # a page on disk may load a font from it
    page_file.parent.mkdir(exist_ok=True)
    page_file.write_text(sheet(title, drawing), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.goto(page_file.as_uri())
        page.evaluate("() => document.fonts.ready.then(() => true)")
        picture = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    picture.convert("RGB").quantize(32).save(file, optimize=True)


if __name__ == "__main__":
    draw(PICTURE)
    print(f"preview: {PICTURE.relative_to(ROOT)}, {PICTURE.stat().st_size / 1000:.0f} kB")
