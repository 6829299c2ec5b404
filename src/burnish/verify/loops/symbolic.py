"""Relations as terms: of two symbolic states, and as states in which they hold by construction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import assert_never

from burnish.domains.smt.build import (
    TRUE,
    add,
    and_,
    concat,
    const,
    eq,
    extract,
    memory,
    mul,
    ne,
    select,
    sext,
    sle,
    slt,
    ule,
    ult,
    var,
    zext,
)
from burnish.domains.smt.rewrite import substitute, variables
from burnish.domains.smt.terms import Op, Term
from burnish.machine.registers import CELLS, FLAG_CELLS, GPR_CELLS, VECTOR_CELLS
from burnish.verify.engine.addresses import OBJECT, UndecidedAccessError, made_of_frame, mentions_frame
from burnish.verify.engine.apart import read, write
from burnish.verify.engine.cells import read_bytes, write_bytes
from burnish.verify.engine.compare import OWN_VIEWS, PROBE, Views
from burnish.verify.engine.escape import leaving
from burnish.verify.engine.frames import View
from burnish.verify.engine.state import ENTRY_MEMORY, RETURN_ADDRESS, State, entry_value, unwritten
from burnish.verify.loops.current import at, values_in
from burnish.verify.loops.relations import (
    Affine,
    Asked,
    Comparison,
    Computed,
    Held,
    Order,
    OuterKept,
    Relation,
)
from burnish.verify.loops.values import FRAME, Side, Value

_COMPARE: dict[Comparison, Callable[[Term, Term], Term]] = {
    Comparison.DIFFERENT: ne,
    Comparison.BELOW: ult,
    Comparison.NOT_ABOVE: ule,
    Comparison.LESS: slt,
    Comparison.NOT_GREATER: sle,
    Comparison.ABOVE: lambda left, right: ult(right, left),
    Comparison.NOT_BELOW: lambda left, right: ule(right, left),
    Comparison.GREATER: lambda left, right: slt(right, left),
    Comparison.NOT_LESS: lambda left, right: sle(right, left),
}


def value_term(value: Value, a: State, b: State, views: Views = OWN_VIEWS) -> Term:
    """A value as a term of the variables that two states are made of. An address of a shared local is a place in that,
    but for the stack pointer's."""
    if value.side == "e":
        raw = _entry(value)
    else:
        state, view = (a, views[0]) if value.side == "a" else (b, views[1])
        if (word := value.word) is not None:
            raw = memory_term(state.seen_by(word.kind), word_address(value, a, views), value.size, views)
        elif value.cell == FRAME:
            raw = _frame(state, value.side, value.offset, value.size, view)
        elif value.cell == "rsp":
            raw = extract(state.register(value.cell), 8 * value.offset, 8 * value.size)
        else:
            raw = extract(view.outward(state.register(value.cell)), 8 * value.offset, 8 * value.size)
    if value.extended:
        return zext(raw, 64) if value.extended == "zext" else sext(raw, 64)
    return raw


def word_address(value: Value, a: State, views: Views) -> Term:
    """Where a word of memory lies (``values.Word``), of which ``a`` is the original's state."""
    word = value.word
    assert word is not None
    base = var(word.base, 64) if word.base.startswith(OBJECT) else views[0].outward(a.register(word.base))
    return add(base, const(word.offset + value.offset, 64))


def _entry(value: Value) -> Term:
    if value.is_object:
        return extract(var(value.cell, 64), 8 * value.offset, 8 * value.size)
    return entry_value(CELLS[value.cell], value.offset, value.size)


def _frame(state: State, side: Side, offset: int, size: int, view: View) -> Term:
    """Bytes of the frame; unknown where a call may have changed them. Those of shared locals are memory."""
    try:
        place = view.place(offset, size)
    except UndecidedAccessError:
        return var(f"{side}:beside a local at {offset}", 8 * size)
    if place is not None:
        return read(state.memory, place, size, unwritten(side))
    mark = state.garbage_below
    if mark is not None and any(
        k < mark and state.cells.byte(k) is None for k in range(offset, offset + size)
    ):
        return var(f"{side}:garbage at {offset}", 8 * size)
    word = offset - offset % 8
    if not view.shared or offset + size > word + 8:
        return view.outward(state.frame_value(offset, size))
    # Of half an address it is not seen of what it is one.
    return extract(view.outward(state.frame_value(word, 8)), 8 * (offset - word), 8 * size)


def relation_term(relation: Relation, a: State, b: State, views: Views = OWN_VIEWS) -> Term:
    """The condition (width 1) that a relation holds between two states."""
    match relation:
        case Affine(terms, constant, width):
            *rest, (coefficient, lead) = terms
            others = (mul(const(-c, width), value_term(v, a, b, views)) for c, v in rest)
            right = add(const(-constant, width), *others)
            return eq(mul(const(coefficient, width), value_term(lead, a, b, views)), right)
        case Order(left, comparison, right):
            first = value_term(left, a, b, views)
            second = const(right, left.width) if isinstance(right, int) else value_term(right, a, b, views)
            return _COMPARE[comparison](first, second)
        case OuterKept():
            if a.memory is ENTRY_MEMORY:
                return TRUE
            return eq(select(a.memory, PROBE), select(ENTRY_MEMORY, PROBE))
        case Asked(condition):
            return and_(*(_computed(condition, state.memory, a, b, views) for state in (a, b)))
        case Computed(value, term):
            held = value_term(value, a, b, views)
            return and_(*(eq(held, _computed(term, state.memory, a, b, views)) for state in (a, b)))
        case Held(value, kind=None):
            # Both memories: whatever was shown of them, this is believed of what either side loads next.
            held = value_term(value, a, b, views)
            return and_(*(eq(held, _held(relation, state.memory, a, b, views)) for state in (a, b)))
        case Held(value, kind=kind):
            return eq(value_term(value, a, b, views), _held(relation, a.seen_by(kind), a, b, views))
        case _:
            assert_never(relation)


def _computed(term: Term, now: Term, a: State, b: State, views: Views) -> Term:
    values = {value: value_term(value, a, b, views) for value in values_in(term)}
    return at(term, values, now)


def _held(relation: Held, memory: Term, a: State, b: State, views: Views) -> Term:
    address = add(value_term(relation.base, a, b, views), const(relation.offset, 64))
    return memory_term(memory, address, relation.value.size, views)


def memory_term(memory: Term, address: Term, size: int, views: Views) -> Term:
    """What a load outside the frames makes of a memory."""
    if views[0].shared:
        return read(memory, address, size)
    return read_bytes(memory, address, size)


def hiding(
    relations: Sequence[Relation], node: tuple[State, State], now: tuple[State, State], views: Views
) -> list[Relation]:
    """Of relations that hold ``now``, those that speak of what depends on where a local lies, and is not known to at a
    ``node`` of which nothing is known but the relations: from there on nobody would see what is done with it."""
    if not views[0].shared:
        return []

    def is_hidden(value: Value) -> bool:
        term = value_term(value, *now, views)
        if not mentions_frame(term) or not (made_of_frame(term) or leaving([term], views[0].shared)):
            return False
        # Half of an address is of no use, and what is made of it would be taken for a number.
        return value.width < 64 or not mentions_frame(value_term(value, *node, views))

    return [relation for relation in relations if any(map(is_hidden, values_of(relation)))]


def values_of(relation: Relation) -> tuple[Value, ...]:
    """The values of both sides that a relation speaks of."""
    match relation:
        case Affine(terms):
            found: Sequence[Value | int] = [value for _, value in terms]
        case Order(left, _, right):
            found = (left, right)
        case Computed(value, term):
            found = (value, *values_in(term))
        case Held(value, base):
            found = (value, base)
        case Asked(condition):
            found = values_in(condition)
        case OuterKept():
            found = ()
        case _:
            assert_never(relation)
    return tuple(value for value in found if not isinstance(value, int) and value.side != "e")


def related_states(
    relations: Sequence[Relation],
    slots: tuple[Iterable[Value], Iterable[Value]],
    views: Views = OWN_VIEWS,
    words: Sequence[Value] = (),
) -> tuple[State, State, tuple[Term, ...]]:
    """Any states of both sides between which the relations hold: two states, and what must be assumed beside.

    What a relation defines is put in its place, so that terms that must be equal mostly are the same. ``slots`` are
    the parts of each side's frame that are known by a name; all else in the frames is unknown, and memory outside is
    the same on both sides, but for ``words``, the original's names of those that may differ.
    """
    outer = ENTRY_MEMORY if any(isinstance(r, OuterKept) for r in relations) else memory("memory at the cut")
    a, b = _free_state("a", slots[0], outer), _free_state("b", slots[1], outer)
    own = {term for state in (a, b) for term in _variables(state)}
    own.update(_differ(words, a, b, views))
    own.update(_look(relations, a, b, views))
    solved = _Solved(own)
    for relation in relations:
        if isinstance(relation, Computed):
            value = _computed(relation.term, a.memory, a, b, views)
            solved.define(value_term(relation.value, a, b, views), value, relation.value.extended != "")
    for relation in relations:
        if isinstance(relation, Held):
            held = _held(relation, a.seen_by(relation.kind), a, b, views)
            solved.define(value_term(relation.value, a, b, views), held, extended=False)
    for relation in relations:
        if isinstance(relation, Affine) and relation.defines and relation.lead.side != "e":
            lead = value_term(relation.lead, a, b, views)
            solved.define(lead, _definition(relation, a, b, views), relation.lead.extended != "")
    for relation in relations:
        if isinstance(relation, Affine) and len(relation.terms) == 1 and relation.lead.side != "e":
            power = relation.terms[0][0].bit_length() - 1
            known = relation.width - power  # so many low bits
            low = extract(value_term(relation.lead, a, b, views), 0, known)
            solved.define(low, const(-relation.constant >> power, known), extended=False)
    for state in (a, b):
        _substitute(state, solved.mapping)
    assumed = dict.fromkeys(relation_term(relation, a, b, views) for relation in relations)
    return a, b, tuple(term for term in assumed if term is not TRUE)


def _differ(words: Sequence[Value], a: State, b: State, views: Views) -> Iterator[Term]:
    """Makes words of memory unknown, of each side by itself. Where they overlap, the last hides the others."""
    for value in words:
        address = word_address(value, a, views)
        for side, state in (("a", a), ("b", b)):
            unknown = var(f"{side}:{value.cell}.{value.size}", 8 * value.size)
            state.memory = written(state.memory, address, unknown, value.size, views)
            yield unknown


def written(memory: Term, address: Term, value: Term, size: int, views: Views) -> Term:
    """A memory after a store outside the frames."""
    return (write if views[0].shared else write_bytes)(memory, address, value, size)


def _look(relations: Sequence[Relation], a: State, b: State, views: Views) -> Iterator[Term]:
    """Makes what the original's loads of each class see memory as it is, but for the words of which a relation speaks:
    those are unknown. Where a load sees what was stored as something else, ``pair.Unseen`` does not hold, whenever that
    began to be watched."""
    found: dict[tuple[int, Value, int, int], None] = {}
    for relation in relations:
        if isinstance(relation, Held) and relation.kind is not None:
            found[relation.kind, relation.base, relation.offset, relation.value.size] = None
        for value in values_of(relation):
            if (word := value.word) is not None and word.kind is not None:
                base = Value("e" if word.base.startswith(OBJECT) else "a", word.base)
                found[word.kind, base, word.offset + value.offset, value.size] = None
    for kind, base, offset, size in found:
        unknown = var(f"a:word {kind} at {base}{offset:+d}", 8 * size)
        address = add(value_term(base, a, b, views), const(offset, 64))
        a.seen[kind] = written(a.seen_by(kind), address, unknown, size, views)
        yield unknown


def _definition(relation: Affine, a: State, b: State, views: Views) -> Term:
    width = relation.width
    rest = (mul(const(-c, width), value_term(v, a, b, views)) for c, v in relation.terms[:-1])
    return add(const(-relation.constant, width), *rest)


class _Solved:
    """Variables that are replaced by terms of others, never in a circle."""

    def __init__(self, own: set[Term]) -> None:
        self.mapping: dict[Term, Term] = {}
        self._own = own
        self._parts = 0

    def define(self, lead: Term, value: Term, extended: bool) -> None:
        """Makes ``lead`` equal to ``value`` where ``lead`` is, or is part of, a variable that is still free. Where it
        is an extension only its low half can be given a value."""
        lead, value = substitute([lead, value], self.mapping)
        if extended and lead.op in (Op.ZEXT, Op.SEXT):
            lead = lead.args[0]
            value = extract(value, 0, lead.width)
        if lead.op is Op.EXTRACT and lead.args[0] in self._own:
            lead = self._split(lead)
            (value,) = substitute([value], self.mapping)
        if lead in self._own and lead not in variables([value]):
            self._set(lead, value)
        elif value.op is Op.SEXT and value.args[0] is extract(lead, 0, low := value.args[0].width):
            # Of what extends its own lower part the upper is known.
            self.define(extract(lead, low, lead.width - low), extract(value, low, lead.width - low), False)

    def _split(self, part: Term) -> Term:
        """A new variable for a part of one, which becomes the parts beside each other."""
        whole = part.args[0]
        assert isinstance(part.payload, int)
        low, high = part.payload, whole.width - part.payload - part.width
        self._parts += 1
        names = [(high, "high"), (part.width, "part"), (low, "low")]
        pieces = [var(f"{whole.name}/{self._parts} {name}", width) for width, name in names if width]
        self._own.update(pieces)
        self._set(whole, concat(*pieces))
        return pieces[1] if high else pieces[0]

    def _set(self, variable: Term, value: Term) -> None:
        self._own.discard(variable)
        keys = list(self.mapping)
        changed = substitute([self.mapping[key] for key in keys], {variable: value})
        self.mapping = dict(zip(keys, changed, strict=True))
        self.mapping[variable] = value


def _free_state(side: Side, slots: Iterable[Value], outer: Term) -> State:
    """A state of which only the return address and the direction flag are known."""
    state = State(memory(f"{side}:frame"), outer)
    for cell in (*GPR_CELLS, *VECTOR_CELLS):
        state.set_register(cell.name, var(f"{side}:{cell.name}", 8 * cell.size))
    for cell in FLAG_CELLS:
        if cell.name != "df":
            state.set_register(cell.name, zext(var(f"{side}:{cell.name}", 1), 8))
    for offset, size in _clusters((slot.offset, slot.size) for slot in slots):
        state.cells.put(offset, var(f"{side}:frame {offset}", 8 * size))
    state.cells.put(0, RETURN_ADDRESS)
    return state


def _clusters(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges ``(offset, size)`` with those that overlap as one."""
    found: list[tuple[int, int]] = []
    for offset, size in sorted(ranges):
        if found and offset < sum(found[-1]):
            start, length = found[-1]
            found[-1] = (start, max(length, offset + size - start))
        else:
            found.append((offset, size))
    return [(offset, size) for offset, size in found if offset + size <= 0]


def _variables(state: State) -> Iterable[Term]:
    for pieces in state.registers.values():
        yield from (value for _, _, value in pieces if value.op is Op.VAR)
    yield from (value for _, value in state.cells.items() if value is not RETURN_ADDRESS)


def _substitute(state: State, mapping: dict[Term, Term]) -> None:
    for cell, pieces in state.registers.items():
        state.registers[cell] = [
            (start, size, substitute([value], mapping)[0]) for start, size, value in pieces
        ]
    for offset, value in list(state.cells.items()):
        state.cells.put(offset, substitute([value], mapping)[0])
    (state.memory,) = substitute([state.memory], mapping)
    state.seen = {kind: substitute([seen], mapping)[0] for kind, seen in state.seen.items()}
