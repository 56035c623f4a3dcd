"""The error tree in the docstring of chalicelib/errors.py is the one of the classes."""

from __future__ import annotations

import re

from chalicelib import errors


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    names = [(len(branch) // 4, name) for branch, name in drawn if name.isidentifier() and name in vars(errors)]
    assert names == list(tree(errors.CartError, 0))


def test_every_control_signal_is_named() -> None:
    line = re.search(r"never shown to anyone: (.+)\.", errors.__doc__ or "")
    assert line is not None
    signals = {kind.__name__ for kind in classes() if not issubclass(kind, errors.CartError)}
    assert set(line[1].split(", ")) == signals


def classes() -> list[type[Exception]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return [kind for kind in found if kind.__module__ == errors.__name__]


def tree(kind: type[Exception], depth: int) -> list[tuple[int, str]]:
    """(depth, name) of a class and its subclasses, in the order in which they are defined."""
    below = [line for child in classes() if kind in child.__bases__ for line in tree(child, depth + 1)]
    return [(depth, kind.__name__), *below]
