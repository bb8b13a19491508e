"""Put the present scripts and styles of the moving figures into the committed outputs.

A figure's output holds its data, which only the notebook can make, and its script and style sheet,
which are files of the package. After a change of such a file, this renews them in place:

    python -m tools.refresh_figures
"""

import re

from maml_tutorial.figures.page import script, starter, styles
from tools.notebooks.files import find_notebooks, read, write

FIGURE = re.compile(
    r'(<div class="maml-figure" data-figure="(\w+)" data-key="(\w+)".*?<style>)(.*?)(</style>.*'
    r"</script>\n)<script>.*?</script>(\n</div>)\Z",
    re.DOTALL,
)


def refreshed(html: str) -> str:
    """The HTML of a figure with the package's present script and styles; other HTML as it is.

    Example:
        >>> refreshed("<p>no figure</p>")
        '<p>no figure</p>'
    """

    def renew(found: re.Match) -> str:
        head, name, key, _, middle, end = found.groups()
        code = f"<script>{script(name)}{starter(key)}</script>"
        return f"{head}{styles()}{middle}{code}{end}"

    return FIGURE.sub(renew, html)


def main() -> None:
    """Renew all notebooks' figures and say which files changed."""
    for path in find_notebooks():
        notebook = read(path)
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if html := output.get("data", {}).get("text/html"):
                    output.data["text/html"] = refreshed(html)
        if write(notebook, path):
            print(f"renewed: {path.name}")


if __name__ == "__main__":
    main()
