"""Function symbols of an image, from the static and the dynamic symbol table."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import lief


class Binding(IntEnum):
    """How a symbol is bound, the preferred name first."""

    GLOBAL = 0
    WEAK = 1
    LOCAL = 2


class FunctionSymbol(NamedTuple):
    """A symbol that names code. ``typed`` is False for a bare label, as hand-written assembly has."""

    name: str
    address: int
    size: int
    binding: Binding
    exported: bool
    typed: bool
    section: int


def text(name: str | bytes) -> str:
    """A name as LIEF gives it; bytes that are not UTF-8 are kept as surrogates."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def dynamic_and_static_symbols(binary: lief.ELF.Binary) -> tuple[FunctionSymbol, ...]:
    """All function symbols of a linked file; bare labels only where they are global."""
    found = [
        *_symbols(binary.symtab_symbols, exported=False),
        *_symbols(binary.dynamic_symbols, exported=True),
    ]
    return tuple(s for s in found if s.typed or s.binding is Binding.GLOBAL)


def object_symbols(binary: lief.ELF.Binary) -> tuple[FunctionSymbol, ...]:
    """All symbols of a relocatable object that may name code; addresses are offsets in their section."""
    return tuple(_symbols(binary.symtab_symbols, exported=False))


def _symbols(symbols: Iterable[lief.ELF.Symbol], exported: bool) -> list[FunctionSymbol]:
    import lief

    types, bindings = lief.ELF.Symbol.TYPE, lief.ELF.Symbol.BINDING
    function, label = types.FUNC, types.NOTYPE
    order = {int(bindings.WEAK): Binding.WEAK, int(bindings.LOCAL): Binding.LOCAL}
    hidden = (lief.ELF.Symbol.VISIBILITY.HIDDEN, lief.ELF.Symbol.VISIBILITY.INTERNAL)
    found: list[FunctionSymbol] = []
    for symbol in symbols:
        kind = symbol.type
        if kind not in (function, label) or not 0 < symbol.shndx < 0xFF00:
            continue
        name = text(symbol.name)
        if name:
            binding = order.get(int(symbol.binding), Binding.GLOBAL)
            shown = exported and binding is not Binding.LOCAL and symbol.visibility not in hidden
            found.append(
                FunctionSymbol(
                    name, symbol.value, symbol.size, binding, shown, kind == function, symbol.shndx
                )
            )
    return found
