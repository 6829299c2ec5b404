"""The numbers of ``Op.FLOAT`` terms, as SSE computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.domains import floats

_BINARY: dict[str, Callable[[int, int, int], int]] = {
    "FLOAT_ADD": floats.add,
    "FLOAT_SUB": floats.subtract,
    "FLOAT_MULT": floats.multiply,
    "FLOAT_DIV": floats.divide,
}
_UNARY: dict[str, Callable[[int, int, int], int]] = {
    "FLOAT_SQRT": lambda a, n, m: floats.square_root(a, n // 8),
    "FLOAT_INT2FLOAT": lambda a, n, m: floats.from_integer(a, n, m // 8),
    "FLOAT_FLOAT2FLOAT": lambda a, n, m: floats.resize(a, n // 8, m // 8),
    "FLOAT_TRUNC": lambda a, n, m: floats.to_integer(a, n // 8, m // 8, truncate=True),
    "FLOAT_ROUND_INT": lambda a, n, m: floats.to_integer(a, n // 8, m // 8, truncate=False),
}

FLOAT_NAMES = frozenset((*_BINARY, *_UNARY))
"""The names that an ``Op.FLOAT`` term can have. Comparisons, minimum, maximum and signs are said in bits (``ieee``)."""


def compute(name: str, operand_width: int, width: int, operands: Sequence[int]) -> int:
    """The pattern that an operation gives; raises ``KeyError`` for a name that is not in ``FLOAT_NAMES``."""
    if name in _BINARY:
        return _BINARY[name](operands[0], operands[1], operand_width // 8)
    return _UNARY[name](operands[0], operand_width, width)
