"""Addresses of a GitHub repository: read one, and change every mention of one in a text."""

import re

# No account can have this name (an underscore is not allowed), so nobody can register it.
PLACEHOLDER = "YOUR_ACCOUNT"
ADDRESS = re.compile(
    rf"https://github\.com/(?P<owner>{PLACEHOLDER}|[A-Za-z0-9](?:-?[A-Za-z0-9]){{0,38}})"
    r"/(?P<name>[A-Za-z0-9_.-]{1,100}?)(?:\.git)?/?"
)


class BadAddressError(ValueError):
    """The address given is not that of a GitHub repository."""


def parse(url: str) -> tuple[str, str]:
    """Return owner and name of a GitHub repository.

    Raises:
        BadAddressError: `url` is anything else. (Colab opens notebooks from GitHub only.)

    Example:
        >>> parse("https://github.com/me/my-copy")
        ('me', 'my-copy')
    """
    if not (match := ADDRESS.fullmatch(url)) or match["name"] in {".", ".."}:
        raise BadAddressError(
            f"{url!r} is no repository's address; give one like https://github.com/me/my-copy"
        )
    return match["owner"], match["name"]


def forms(owner: str, name: str) -> tuple[str, ...]:
    """All forms in which a text names a repository: its page, its notebooks in Colab, its site."""
    return (
        f"https://github.com/{owner}/{name}",
        f"https://colab.research.google.com/github/{owner}/{name}",
        f"https://{owner.lower()}.github.io/{name}",
    )


def readdress(text: str, own: set[tuple[str, str]], to: tuple[str, str]) -> str:
    """Return `text` with every mention of a repository in `own` turned into one of `to`.

    Example:
        >>> readdress("see https://github.com/a/b/issues", {("a", "b")}, ("me", "copy"))
        'see https://github.com/me/copy/issues'
    """
    for repository in own:
        for before, after in zip(forms(*repository), forms(*to), strict=True):
            text = re.sub(re.escape(before) + r"(?![\w-])", after, text)
    return text
