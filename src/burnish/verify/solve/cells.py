"""Memory without arrays: each byte that is read becomes a case distinction over the stores before it, and what was
there at first a variable of its own. Exact: two reads of one address are told to be equal.

Addresses are compared by how far apart they are: one number for all fields of two structures, against constants.

It suits queries with few stores between which aliasing is the question; many stores are left to the theory of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.sums import linear, written
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.solve.backend import CELL
from burnish.verify.solve.query import Model

MAXIMUM_CASES = 4000
_APART = "apart:"
_ADDRESS = (1 << 64) - 1


class NoCellsError(Exception):
    """The query has memories that cells do not express, or too many cases."""


@dataclass(slots=True)
class Cells:
    """A query in cells. ``assertions`` hold together exactly where the query's do."""

    assertions: tuple[Term, ...] = ()
    at_first: dict[Term, dict[Term, Term]] = field(default_factory=dict[Term, dict[Term, Term]])
    """For each memory and address, the variable for the byte that was there at first."""
    _read: dict[tuple[Term, Term], Term] = field(default_factory=dict[tuple[Term, Term], Term])
    apart: dict[tuple[Term, Term], Term] = field(default_factory=dict[tuple[Term, Term], Term])
    """For two addresses without their constants, the variable that is their difference."""
    _equal_at: dict[tuple[Term | None, Term | None, int], Term] = field(
        default_factory=dict[tuple[Term | None, Term | None, int], Term]
    )
    terms: frozenset[Term] = frozenset()
    """What the query is made of: where it asks itself whether two addresses are one, that is how it is put."""
    _cases: int = 0

    def restored(self, model: Model) -> Model:
        """A model of the cells as one of the memories."""
        memories: dict[str, dict[int, int]] = {}
        for base, cells in self.at_first.items():
            where = evaluate([*cells], model)
            memories[base.name] = {
                address: model.variables.get(cell.name, 0)
                for address, cell in zip(where, cells.values(), strict=True)
            }
        variables = {
            name: value for name, value in model.variables.items() if not name.startswith((CELL, _APART))
        }
        return Model(variables, memories, model.functions)

    def rule(self, term: Term, args: Sequence[Term]) -> Term | None:
        """What takes the place of a term; memories stay until something reads them."""
        if term.op is Op.SELECT:
            return self.read(args[0], args[1])
        if term.op is Op.EQ and not args[0].width:
            return self._equal(args[0], args[1])
        if term.op is Op.APPLY and not all(arg.width for arg in args):
            raise NoCellsError("a function of memories")
        return None

    def read(self, memory: Term, address: Term) -> Term:
        """The byte at an address of a memory that is made of stores and choices."""
        passed: list[tuple[Term, Term | None, Term | None]] = []
        value: Term | None = None
        while value is None:
            known = self._read.get((memory, address))
            if known is not None:
                value = known
            elif memory.op is Op.STORE:
                same = self._same(memory.args[1], address)
                if same is t.TRUE:
                    value = memory.args[2]
                else:
                    passed.append((memory, None if same is t.FALSE else same, memory.args[2]))
                    memory = memory.args[0]
            elif memory.op is Op.ITE:
                self._count()
                condition, then, other = memory.args
                value = t.ite(condition, self.read(then, address), self.read(other, address))
            elif memory.op is Op.MEMORY:
                value = self._first(memory, address)
            else:
                raise NoCellsError("a memory that a function returns")
        self._read[memory, address] = value
        for store, same, byte in reversed(passed):
            if same is not None:
                assert byte is not None
                self._count()
                value = t.ite(same, byte, value)
            self._read[store, address] = value
        return value

    def _first(self, base: Term, address: Term) -> Term:
        cells = self.at_first.setdefault(base, {})
        cell = cells.get(address)
        if cell is None:
            cell = cells[address] = t.var(f"{CELL}{base.name}:{len(cells)}", 8)
        return cell

    def _equal(self, left: Term, right: Term) -> Term:
        """Memories that come from one are equal where they are equal at every address that is stored to."""
        found = [term for term in subterms(left, right) if not term.width]
        if len({term for term in found if term.op is Op.MEMORY}) > 1:
            raise NoCellsError("memories that nothing says are one")
        addresses = dict.fromkeys(term.args[1] for term in found if term.op is Op.STORE)
        return t.and_(t.TRUE, *[t.eq(self.read(left, at), self.read(right, at)) for at in addresses])

    def _same(self, a: Term, b: Term) -> Term:
        """Whether two addresses are one; decided where they are a constant apart."""
        (one, near), (other, far) = _parted(a), _parted(b)
        if one is other:
            return t.const(int(near == far), 1)
        if one is not None and other is not None and one.serial > other.serial:
            one, near, other, far = other, far, one, near
        key = one, other, (far - near) & _ADDRESS
        found = self._equal_at.get(key)
        if found is None:
            found = self._equal_at[key] = self._compared(a, b, one, other, far - near)
        return found

    def _compared(self, a: Term, b: Term, one: Term | None, other: Term | None, apart: int) -> Term:
        same = t.eq(a, b)
        if same.is_const or same in self.terms or one is None or other is None:
            return same
        distance = self.apart.get((one, other))
        if distance is None:
            distance = self.apart[one, other] = t.var(f"{_APART}{len(self.apart)}", one.width)
        return t.eq(distance, t.const(apart, one.width))

    def distances(self) -> list[Term]:
        """What the differences of addresses are."""
        return [t.eq(distance, t.sub(one, other)) for (one, other), distance in self.apart.items()]

    def _count(self) -> None:
        self._cases += 1
        if self._cases > MAXIMUM_CASES:
            raise NoCellsError("too many cases")

    def consistent(self) -> list[Term]:
        """Reads of one address give one byte."""
        found: list[Term] = []
        for cells in self.at_first.values():
            rows = [(address, *_parted(address), cell) for address, cell in cells.items()]
            for index, (address, base, offset, cell) in enumerate(rows):
                for other, its_base, its_offset, its_cell in rows[:index]:
                    # Most are fields of one structure.
                    if base is its_base and offset != its_offset:
                        continue
                    same = self._same(address, other)
                    if same is not t.FALSE:
                        self._count()
                        found.append(t.or_(t.not_(same), t.eq(cell, its_cell)))
        return found


@lru_cache(maxsize=1 << 14)
def _parted(address: Term) -> tuple[Term | None, int]:
    """An address as a term without a constant, and the constant. One that lies beside a multiple counts, too: those of
    the bytes of an array's element are one term."""
    if address.is_const:
        return None, address.value
    total = linear((address, 1))
    constant, total.constant = total.constant, 0
    return (written(total), constant) if constant else (address, 0)


def in_cells(roots: Sequence[Term]) -> Cells | None:
    """The roots without memories; None where they have none, or cells do not suit them."""
    terms = tuple(subterms(*roots))
    if all(term.op is not Op.MEMORY for term in terms):
        return None
    cells = Cells(terms=frozenset(terms))
    done: dict[Term, Term] = {}
    try:
        for term in terms:
            args = [done[arg] for arg in term.args]
            new = cells.rule(term, args)
            if new is None:
                same = all(arg is old for arg, old in zip(args, term.args, strict=True))
                new = term if same else rebuild(term, args)
            done[term] = new
        cells.assertions = (*[done[root] for root in roots], *cells.consistent(), *cells.distances())
    except (NoCellsError, RecursionError):
        return None
    return cells
