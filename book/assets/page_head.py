"""What others see of a page: its description, its picture where it is shared, and how to cite it."""

import re
from html import escape, unescape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 160  # characters that a search engine shows of a description
OWN_TITLES = {"search": "Search", "genindex": "Index"}  # pages that Sphinx makes by itself
PICTURE = "preview.png"  # made by tools/preview_picture.py


def shortened(text: str, longest: int = LONGEST) -> str:
    """Cut a text after its last whole sentence that fits, or after a word.

    Example:
        >>> shortened("A task is small. It has two sets. The rest is long.", 36)
        'A task is small. It has two sets.'
        >>> shortened("One sentence that goes on and on", 20)
        'One sentence that …'
    """
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    sentences = list(re.finditer(r"[.?!](?= )", text[: longest + 1]))
    if sentences and sentences[-1].end() > longest / 3:
        return text[: sentences[-1].end()]
    return text[: longest - 1].rpartition(" ")[0] + " …"


def description(doctree: nodes.document | None, title: str, book: str) -> str:
    """Describe a page by its first paragraphs of prose; a page without any, by its title.

    Boxes and paragraphs with formulas are left out.
    """
    told, boxes = "", 0
    for node in doctree.findall() if doctree is not None else ():
        if isinstance(node, nodes.raw):
            text = node.astext()
            boxes += text.count("<div") - text.count("</div")
        elif isinstance(node, nodes.paragraph) and isinstance(node.parent, nodes.section):
            if boxes or next(node.findall(nodes.math), None) is not None:
                continue
            told = f"{told} {node.astext()}".strip()
            if len(told) > LONGEST / 2:
                return shortened(told)
    return shortened(f"{told} {title}: a page of the book {book}.".strip())


def bibtex(page: str, title: str, *, book: str, author: str, year: str, url: str) -> str:
    """Return a page's entry for a bibliography; the first page stands for the whole book.

    Example:
        >>> print(bibtex("book/01_start", "1 · Start", book="B", author="A", year="2026", url="u"))
        @incollection{maml-01_start,
          title = {{1 · Start}},
          booktitle = {{B}},
          author = {{A}},
          year = {2026},
          url = {u}
        }
    """
    whole = title == book
    key = "maml-" + page.removeprefix("book/").replace("/", "-")
    lines = [f"  title = {{{{{title}}}}}", f"  booktitle = {{{{{book}}}}}"]
    lines = lines[:1] if whole else lines
    lines += [f"  author = {{{{{author}}}}}", f"  year = {{{year}}}", f"  url = {{{url}}}"]
    entry = ",\n".join(lines)
    return f"@{'book' if whole else 'incollection'}{{{key},\n{entry}\n}}"


def meta_tags(*, title: str, told: str, book: str, site: str, page: str) -> str:
    """Return the tags of a page's head that search engines and those who share it read.

    Example:
        >>> tags = meta_tags(title="T", told='"So"', book="B", site="https://a.b/", page="p")
        >>> tags.splitlines()[:2]
        ['<meta name="description" content="&quot;So&quot;" />', '<meta property="og:title" content="T" />']
    """
    shared = {
        "title": title,
        "description": told,
        "type": "article",
        "site_name": book,
        "url": f"{site}{page}.html",
        "image": f"{site}_static/{PICTURE}",
        "image:alt": "Five cards with an animal each, and a sixth animal: which name is it?",
    }
    tags = [f'<meta name="description" content="{escape(told)}" />']
    tags += [f'<meta property="og:{k}" content="{escape(v)}" />' for k, v in shared.items()]
    return "\n".join([*tags, '<meta name="twitter:card" content="summary_large_image" />'])


def author_of(app: Sphinx) -> str:
    """Return who is to be cited: the first author of CITATION.cff, or the book's."""
    file = Path(app.srcdir, "CITATION.cff")
    if not file.is_file():
        return app.config.author
    first = yaml.safe_load(file.read_text("utf-8"))["authors"][0]
    return first.get("name") or f"{first['given-names']} {first['family-names']}"


def introduce_page(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Give a page its description, its picture and, at its end, its entry for a bibliography."""
    if app.builder.name != "html":
        return
    book, repository = app.config.html_title, app.config.html_theme_options["repository_url"]
    title = unescape(re.sub("<[^>]+>", "", context.get("title", ""))) or OWN_TITLES.get(page, book)
    site = app.config.html_baseurl.rstrip("/") + "/"
    told = description(doctree, title, book)
    context["metatags"] = context.get("metatags", "") + meta_tags(
        title=title, told=told, book=book, site=site, page=page
    )
    if doctree is not None:
        source = Path(app.env.doc2path(page, base=False)).as_posix()
        branch = app.config.html_theme_options.get("repository_branch") or "main"
        entry = bibtex(
            page,
            title,
            book=book,
            author=author_of(app),
            year=re.sub(r"\D", "", app.config.copyright)[:4],
            url=f"{repository}/blob/{branch}/{source}",
        )
        context["body"] += (
            '\n<details class="cite-page"><summary>Cite this page</summary>'
            f"<pre>{escape(entry)}</pre></details>\n"
        )


def setup_page_head(app: Sphinx) -> None:
    """Connect it."""
    app.connect("html-page-context", introduce_page, priority=800)
