"""The version of the course on each page: it stands in pyproject.toml alone."""

import tomllib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config


def version_note(version: str, repository: str, branch: str) -> str:
    """Return what a page's footer says of the version.

    Example:
        >>> version_note("1.2.0", "https://github.com/me/book", "v1.2")
        ' Version 1.2.0: <a href="https://github.com/me/book/blob/v1.2/CHANGELOG.md">changes</a>.'
    """
    return f' Version {version}: <a href="{repository}/blob/{branch}/CHANGELOG.md">changes</a>.'


def add_version(app: Sphinx, config: Config) -> None:
    """Put the version behind the licences, on pages and on the PDF's first one."""
    home, options = Path(app.srcdir, "pyproject.toml"), config.html_theme_options
    if home.is_file() and options.get("repository_url"):
        version = tomllib.loads(home.read_text("utf-8"))["project"]["version"]
        branch = options.get("repository_branch") or "main"
        note = version_note(version, options["repository_url"], branch)
        options["extra_footer"] = options.get("extra_footer", "").strip() + note


def setup_version(app: Sphinx) -> None:
    """Connect it."""
    app.connect("config-inited", add_version)
