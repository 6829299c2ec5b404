"""The tables of samples, of ``record``'s own and of imported ones. ``docs/recordings.md`` explains them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

pa: Any = import_module("pyarrow")

SAMPLES = pa.schema(
    [
        ("process", pa.uint32()),
        ("thread", pa.uint32()),
        ("time_ns", pa.uint64()),
        ("image", pa.uint32()),
        ("address", pa.uint64()),
        ("function", pa.string()),
        ("stack", pa.uint32()),
        ("count", pa.uint64()),
    ]
)
"""A row a sample, or a place with how many samples; there where something was sampled."""
STACKS = pa.schema(
    [
        ("stack", pa.uint32()),
        ("functions", pa.list_(pa.string())),
        ("images", pa.list_(pa.uint32())),
        ("addresses", pa.list_(pa.uint64())),
    ]
)
"""A row a stack of samples; there where samples have callers."""
