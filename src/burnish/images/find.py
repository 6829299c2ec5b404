"""The function that a user means."""

from __future__ import annotations

from difflib import get_close_matches

from burnish.core.errors import FunctionNotFoundError
from burnish.core.image import FunctionBounds, Image


def find_function(image: Image, which: str | int) -> FunctionBounds:
    """The bounds of a function by name, alias or address; raises ``FunctionNotFoundError``."""
    if isinstance(which, str):
        for bounds in image.functions:
            if which == bounds.name or which in bounds.aliases:
                return bounds
        if not which.lower().startswith("0x"):
            raise FunctionNotFoundError(_nothing_called(image, which))
        try:
            which = int(which, 16)
        except ValueError:
            raise FunctionNotFoundError(f"{which!r} is neither a name nor an address") from None
    found = image.bounds_at(which)
    if found is None:
        raise FunctionNotFoundError(f"{image.path.name} has no function at {which:#x}")
    return found


def _nothing_called(image: Image, name: str) -> str:
    names = {n for bounds in image.functions for n in (bounds.name, *bounds.aliases)}
    close = get_close_matches(name, sorted(names), n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{image.path.name} has no function {name!r}{hint}"
