"""The directive ``api``: every public name of the package from its docstring, and its chapter.

Sphinx's own autodoc and napoleon do the work. What is added: the order of the modules, docstrings
whose code and formulas are written as in Markdown, and the chapter that introduces each name.
"""

import importlib
import re
import tomllib
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from introductions import chapters_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = "maml_tutorial"


class ApiReference(SphinxDirective):
    """List the names of the package's ``__all__``, module by module."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each module."""
        package = importlib.import_module(PACKAGE)
        modules = {
            name: getattr(package, name).__module__.split(".")[1] for name in package.__all__
        }
        root = Path(self.env.srcdir)
        order = module_order(root)
        for source in (root / "pyproject.toml", *root.glob("book/*.ipynb")):
            self.env.note_dependency(str(source))
        names = sorted(modules, key=lambda name: (order.index(modules[name]), name.lower()))
        return [
            self.section(module, list(group))
            for module, group in groupby(names, modules.__getitem__)
        ]

    def section(self, module: str, names: list[str]) -> nodes.section:
        """Return one module's heading, what its docstring says of it, and its public names."""
        heading = f"{PACKAGE}.{module}"
        section = nodes.section("", nodes.title("", heading), ids=[nodes.make_id(heading)])
        package = importlib.import_module(PACKAGE)
        about = (importlib.import_module(heading).__doc__ or "").strip()
        lines = [*as_rst(about.splitlines(), set()), "", f".. currentmodule:: {PACKAGE}", ""]
        for name in names:
            kind = getattr(package, name)
            directive = (
                "autofunction"
                if not isinstance(kind, type)
                else ("autoexception" if issubclass(kind, BaseException) else "autoclass")
            )
            lines += [f".. {directive}:: {name}", ""]
        # The page is Markdown; autodoc speaks reStructuredText.
        block = StringList(["```{eval-rst}", *lines, "```"], source=heading)
        self.state.nested_parse(block, 0, section)
        return section


def module_order(root: Path) -> list[str]:
    """Return the package's modules as the data flows, from pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return [module for row in project["tool"]["maml_tutorial"]["order"] for module in row]


def as_rst(lines: list[str], public: set[str]) -> list[str]:
    """Turn a docstring's Markdown code and formulas into reStructuredText.

    Args:
        lines: The docstring.
        public: Names that become links where they stand as code.

    Example:
        >>> as_rst(["Of `x`, by `adapt`:", "", "$$a = b$$", "", "where $a$ is."], {"adapt"})
        ['Of ``x``, by :py:obj:`adapt`:', '', '.. math:: a = b', '', 'where :math:`a` is.']
    """
    text = "\n".join(lines)
    examples: list[str] = []

    def keep(found: re.Match[str]) -> str:
        examples.append(found[0])
        return f"\0{len(examples) - 1}\0"

    def code(found: re.Match[str]) -> str:
        words = " ".join(found[1].split())
        return f":py:obj:`{words}`" if words in public else f"``{words}``"

    def display(found: re.Match[str]) -> str:
        return f"{found[1]}.. math:: {' '.join(found[2].split())}"

    text = re.sub(r"^ *>>> .*(?:\n *\S.*)*", keep, text, flags=re.M)
    text = re.sub(r"^( *)\$\$(.+?)\$\$", display, text, flags=re.M | re.S)
    text = re.sub(r"(?<![`:\w])`([^`]+)`(?!`)", code, text)
    text = re.sub(r"\$([^$\n]+)\$", r":math:`\1`", text)
    # Ours say what is returned in a sentence; napoleon would take words before a colon for a type.
    text = re.sub(r"^(Returns:\n +)", r"\1: ", text, flags=re.M)
    return re.sub("\0(\\d+)\0", lambda found: examples[int(found[1])], text).split("\n")


def process_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Rewrite a docstring for autodoc, and say below its summary which chapter introduces it."""
    if not name.startswith(f"{PACKAGE}."):
        return
    short = name.removeprefix(f"{PACKAGE}.")
    public = set(importlib.import_module(PACKAGE).__all__)
    converted = as_rst(lines, public - {short})
    if short in public and (line := introduced(short, Path(app.srcdir, "book"))):
        end = converted.index("") if "" in converted else len(converted)
        converted[end:end] = ["", line]
    lines[:] = converted


def introduced(name: str, book: Path) -> str:
    """Return a line that says where a name comes from; none where nothing uses it yet."""
    if chapter := chapters_of(book).get(name):
        return f"*Introduced in* :doc:`chapter {int(chapter[:2])} </book/{chapter}>`."
    command = importlib.import_module(f"{PACKAGE}.__main__")
    return f"*Used by the command* ``python -m {PACKAGE}``." if hasattr(command, name) else ""


def setup_api(app: Sphinx) -> None:
    """Connect the directive and its hook, which must come before napoleon's."""
    app.add_directive("api", ApiReference)
    app.connect("autodoc-process-docstring", process_docstring, priority=400)
