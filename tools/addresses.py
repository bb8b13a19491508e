"""Addresses of a GitHub repository: read one, and change every mention of one in a text."""

import re
from urllib.parse import urlsplit

# No account can have this name (an underscore is not allowed), so nobody can register it.
PLACEHOLDER = "YOUR_ACCOUNT"
ADDRESS = re.compile(
    r"(?:https://github\.com/|(?:ssh://)?git@github\.com[:/])"  # of a browser, or of git
    rf"(?P<owner>{PLACEHOLDER}|[A-Za-z0-9](?:-?[A-Za-z0-9]){{0,38}})"
    r"/(?P<name>[A-Za-z0-9_.-]{1,100}?)(?:\.git)?/?"
)
SITE = re.compile(r"https://[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?(?:/[\w.-]+)*/?")
# What may follow in a text: no more of the same name, though `.git` and the end of a sentence.
END = r"(?![\w-]|\.(?!git(?![\w-]))[\w-])"
# Below a host without a path stand other projects' sites too, so there only the book's own pages.
END_OF_HOST = r"(?=/?(?:[^\w/.-]|\.?$|\.\s)|/(?:book|_static)/|/[\w-]+\.html)"


class BadAddressError(ValueError):
    """The address given is not that of a GitHub repository, or not that of a site."""


def parse(url: str) -> tuple[str, str]:
    """Return owner and name of a GitHub repository.

    Raises:
        BadAddressError: `url` is anything else.

    Example:
        >>> parse("https://github.com/me/my-copy")
        ('me', 'my-copy')
        >>> parse("git@github.com:me/my-copy.git")
        ('me', 'my-copy')
    """
    if not (match := ADDRESS.fullmatch(url)) or match["name"] in {".", ".."}:
        host = urlsplit(url).hostname or ""
        why = ""
        if host and host not in ("github.com", "www.github.com") and not host.endswith("github.io"):
            why = f" ({host} will not do: Colab opens notebooks from GitHub, and GitHub publishes)"
        elif host.endswith("github.io"):
            why = " (that is a site: SITE= takes it)"
        raise BadAddressError(
            f"{url!r} is no repository's address{why}; give one like https://github.com/me/my-copy"
        )
    return match["owner"], match["name"]


def parse_site(url: str) -> str:
    """Return a site's address, with a slash at its end.

    Raises:
        BadAddressError: `url` is no such address.

    Example:
        >>> parse_site("https://maml.example.org")
        'https://maml.example.org/'
    """
    if not SITE.fullmatch(url) or "/.." in url or urlsplit(url).hostname == "github.com":
        raise BadAddressError(
            f"{url!r} is no site's address; give one like https://maml.example.org"
        )
    return url.rstrip("/") + "/"


def pages(owner: str, name: str) -> str:
    """Return where GitHub shows the site of a repository.

    Example:
        >>> pages("Me", "my-copy")
        'https://me.github.io/my-copy/'
        >>> pages("Our-Course", "our-course.github.io")
        'https://our-course.github.io/'
    """
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def forms(owner: str, name: str) -> tuple[str, ...]:
    """The forms in which a text names a repository: its page, its notebooks in Colab."""
    return (
        f"https://github.com/{owner}/{name}",
        f"https://colab.research.google.com/github/{owner}/{name}",
    )


def readdress(
    text: str, own: set[tuple[str, str]], to: tuple[str, str], sites: set[str], to_site: str
) -> str:
    """Return `text` with each mention of a repository in `own`, or of a site, turned into the new.

    Example:
        >>> own, sites = {("a", "b")}, {"https://a.github.io/b/"}
        >>> to, to_site = ("me", "copy"), "https://me.github.io/copy/"
        >>> readdress("see https://github.com/a/b/issues", own, to, sites, to_site)
        'see https://github.com/me/copy/issues'
        >>> readdress("https://a.github.io/b/ and https://a.github.io/c/", own, to, sites, to_site)
        'https://me.github.io/copy/ and https://a.github.io/c/'
    """
    turned = {}
    for repository in own:
        for before, after in zip(forms(*repository), forms(*to), strict=True):
            turned[before] = (END, after)
    for site in sites:
        end = END if urlsplit(site).path.strip("/") else END_OF_HOST
        turned[site.rstrip("/")] = (end, to_site.rstrip("/"))
    # In one pass, the longest first: what has been turned is not turned once more.
    ordered = sorted(turned, key=len, reverse=True)
    either = "|".join(re.escape(before) + turned[before][0] for before in ordered)
    return re.sub(either, lambda match: turned[match[0]][1], text)
