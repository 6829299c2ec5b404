"""Queries as lists of plain tuples: what travels to a solver's process, and what a cache's key is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from burnish.domains.smt.terms import Op, Payload, Term, subterms

Node = tuple[int, int, tuple[int, ...], Payload]
"""Operation, width, the positions of the operands, payload: as in ``Term``."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A query's terms, each once and after its operands; ``roots`` are the positions of the assertions."""

    nodes: tuple[Node, ...]
    roots: tuple[int, ...]


def flatten(assertions: Sequence[Term]) -> Flat:
    """The terms of a query in order."""
    position: dict[Term, int] = {}
    nodes: list[Node] = []
    for term in subterms(*assertions):
        position[term] = len(nodes)
        operands = tuple([position[arg] for arg in term.args])
        nodes.append((int(term.op), term.width, operands, term.payload))
    return Flat(tuple(nodes), tuple([position[term] for term in assertions]))


_NAMED = frozenset((int(Op.VAR), int(Op.MEMORY), int(Op.APPLY)))
_PREFIX = {int(Op.VAR): "v", int(Op.MEMORY): "m", int(Op.APPLY): "f"}


def canonical(flat: Flat) -> tuple[Flat, dict[str, dict[str, str]]]:
    """The query with its names replaced in order of appearance, and, by the kind of name (``v`` variables, ``m``
    memories, ``f`` functions), what each new name stands for."""
    new: dict[str, dict[str, str]] = {"v": {}, "m": {}, "f": {}}
    nodes: list[Node] = []
    for op, width, operands, payload in flat.nodes:
        if op in _NAMED:
            assert isinstance(payload, str)
            names = new[_PREFIX[op]]
            payload = names.setdefault(payload, f"{_PREFIX[op]}{len(names)}")
        nodes.append((op, width, operands, payload))
    back = {kind: {name: old for old, name in names.items()} for kind, names in new.items()}
    return Flat(tuple(nodes), flat.roots), back


def conjuncts(term: Term) -> tuple[Term, ...]:
    """What has to hold at once for a term of width 1 to hold."""
    return term.args if term.op is Op.AND and term.width == 1 else (term,)


def all_conjuncts(terms: Iterable[Term]) -> Iterator[Term]:
    """The conjuncts of all of them, in order."""
    return chain.from_iterable(map(conjuncts, terms))
