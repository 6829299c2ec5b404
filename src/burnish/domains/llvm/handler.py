"""What a row of the tables of scalar operations is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from burnish.core.pcode import Operation
from burnish.domains.llvm.values import Value

if TYPE_CHECKING:
    from burnish.domains.llvm.domain import LlvmDomain

Handler = Callable[["LlvmDomain", Operation, Sequence[Value]], Value]
"""Writes one operation on the given arguments; its result."""
