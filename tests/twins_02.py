"""Comparisons of what chapter 2 builds by hand with the package."""

from collections.abc import Callable

# (notebook's name, definition's name) -> comparison with the package's
TWINS_02: dict[tuple[str, str], Callable[..., None]] = {}
