"""What a solver's adapter does, and how a model is read through it. Runs in the solver's own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from burnish.domains.smt.terms import Op
from burnish.verify.solve.flat import Flat

CELL = "cell:"
"""Begins the names of variables that are bytes of memory."""
Reply = tuple[str, object]
"""``("unsat", None)``, ``("sat", model)`` with the three mappings of a ``Model``, or ``("undecided", reason)``."""


class UnsupportedError(Exception):
    """The solver has no such operation; ``str(error)`` is a phrase."""


class Package(Protocol):
    """A solver, loaded."""

    def prepare(self) -> None:
        """Makes ahead what the next query needs, while nobody waits."""
        ...

    def load(self, flat: Flat) -> Backend:
        """The query as the solver's terms. Raises ``UnsupportedError`` for what the solver cannot express."""
        ...


class Backend(Protocol):
    """One query in one solver."""

    def check(self, timeout_s: float) -> str:
        """``sat``, ``unsat``, or the reason why neither, as a phrase."""
        ...

    def value(self, position: int) -> int:
        """What the term is worth in the model. Only after ``sat``."""
        ...

    def byte(self, memory: int, address: int) -> int:
        """The byte that a ``MEMORY`` (by position) holds at an address, in the model. Only after ``sat``."""
        ...


def ask(backend: Backend, flat: Flat, timeout_s: float) -> Reply:
    """Checks, and reads the model where there is one."""
    result = backend.check(timeout_s)
    if result == "sat":
        return "sat", read_model(backend, flat)
    return ("unsat", None) if result == "unsat" else ("undecided", result)


def read_model(backend: Backend, flat: Flat) -> tuple[object, object, object]:
    """Variables, memories and functions as far as the query names them, as in ``Model``."""
    variables: dict[str, int] = {}
    functions: dict[str, dict[tuple[int, ...], int]] = {}
    for position, (op, width, operands, payload) in enumerate(flat.nodes):
        assert payload is None or isinstance(payload, int | str)
        if op == Op.VAR:
            variables[str(payload)] = backend.value(position)
        elif op == Op.APPLY and width and all(flat.nodes[operand][1] for operand in operands):
            arguments = tuple([backend.value(operand) for operand in operands])
            functions.setdefault(str(payload), {})[arguments] = backend.value(position)
    memories = {
        str(flat.nodes[memory][3]): {address: backend.byte(memory, address) for address in addresses}
        for memory, addresses in _touched(backend, flat)
    }
    return variables, memories, functions


def _touched(backend: Backend, flat: Flat) -> Iterator[tuple[int, set[int]]]:
    """Each memory with the addresses at which the query may look at it."""
    memories = [position for position, node in enumerate(flat.nodes) if node[0] == Op.MEMORY]
    if not memories:
        return
    terms = {node[2][1] for node in flat.nodes if node[0] in (Op.SELECT, Op.STORE)}
    addresses = {backend.value(term) for term in terms}
    for memory in memories:
        yield memory, addresses
