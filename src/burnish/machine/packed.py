"""Packed (SSE) instructions as whole-vector operations."""

from __future__ import annotations

from burnish.core.pcode import Operation


def packed(raw: bytes, operations: tuple[Operation, ...]) -> tuple[Operation, ...] | None:
    """The vector form of a packed instruction; None where SLEIGH's own form is kept."""
    del raw, operations
    return None
