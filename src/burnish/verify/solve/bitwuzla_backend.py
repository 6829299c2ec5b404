"""Queries in Bitwuzla. Truth values are Booleans there, and vectors of one bit where an operation wants a vector."""

from __future__ import annotations

import importlib
import select
import time
from typing import Any

from burnish.domains.smt.lower_float import Theory, exponent_and_significand, named_theory
from burnish.domains.smt.terms import Op
from burnish.verify.solve.backend import CELL, UnsupportedError
from burnish.verify.solve.flat import Flat, Node

_VECTOR = {
    Op.NOT: "BV_NOT",
    Op.AND: "BV_AND",
    Op.OR: "BV_OR",
    Op.XOR: "BV_XOR",
    Op.ADD: "BV_ADD",
    Op.MUL: "BV_MUL",
    Op.UDIV: "BV_UDIV",
    Op.UREM: "BV_UREM",
    Op.SDIV: "BV_SDIV",
    Op.SREM: "BV_SREM",
    Op.SHL: "BV_SHL",
    Op.LSHR: "BV_SHR",
    Op.ASHR: "BV_ASHR",
    Op.CONCAT: "BV_CONCAT",
}
_TRUTH = {Op.NOT: "NOT", Op.AND: "AND", Op.OR: "OR", Op.XOR: "XOR"}
_RELATION = {Op.EQ: "EQUAL", Op.ULT: "BV_ULT", Op.SLT: "BV_SLT"}
_FLOAT = {
    Theory.ADD: "FP_ADD",
    Theory.SUB: "FP_SUB",
    Theory.MUL: "FP_MUL",
    Theory.DIV: "FP_DIV",
    Theory.SQRT: "FP_SQRT",
    Theory.RESIZE: "FP_TO_FP_FROM_FP",
    Theory.FROM_SIGNED: "FP_TO_FP_FROM_SBV",
    Theory.TO_SIGNED: "FP_TO_SBV",
}
_NEARLY = 0.9


class Bitwuzla:
    """The package. When ``cancel`` (a descriptor) can be read while the solver works, it stops."""

    def __init__(self, memory_bytes: int, cancel: int) -> None:
        """Raises ``ImportError`` without the package."""
        self.package: Any = importlib.import_module("bitwuzla")
        self.memory_bytes = memory_bytes
        self._poll = select.poll()
        self._poll.register(cancel, select.POLLIN | select.POLLHUP)

    def prepare(self) -> None:
        """Nothing has to be made ahead."""

    def load(self, flat: Flat) -> BitwuzlaQuery:
        """The query as the solver's terms."""
        return BitwuzlaQuery(self, flat)

    def cancelled(self) -> bool:
        """True when the query is not wanted any more."""
        return bool(self._poll.poll(0))


class BitwuzlaQuery:
    """One query."""

    def __init__(self, home: Bitwuzla, flat: Flat) -> None:
        """Raises ``UnsupportedError`` for terms that the solver has not."""
        self._home = home
        self._b: Any = home.package
        self._kind: Any = self._b.Kind
        self._manager: Any = self._b.TermManager()
        self._sorts: dict[int, Any] = {}
        self._functions: dict[tuple[object, ...], Any] = {}
        self._nodes = flat.nodes
        self._roots = flat.roots
        self._vectors: list[Any] = [None] * len(flat.nodes)
        self._truths: list[Any] = [None] * len(flat.nodes)
        self._solver: Any = None
        for position, node in enumerate(flat.nodes):
            self._build(position, node)

    def _sort(self, width: int) -> Any:
        sort = self._sorts.get(width)
        if sort is None:
            manager = self._manager
            if width:
                sort = manager.mk_bv_sort(width)
            else:
                sort = manager.mk_array_sort(self._sort(64), self._sort(8))
            self._sorts[width] = sort
        return sort

    def _vector(self, position: int) -> Any:
        term = self._vectors[position]
        if term is None:
            ones = [self._manager.mk_bv_value(self._sort(1), value) for value in (1, 0)]
            term = self._term("ITE", [self._truths[position], *ones])
            self._vectors[position] = term
        return term

    def _truth(self, position: int) -> Any:
        term = self._truths[position]
        if term is None:
            one = self._manager.mk_bv_value(self._sort(1), 1)
            term = self._truths[position] = self._term("EQUAL", [self._vectors[position], one])
        return term

    def _term(self, kind: str, operands: list[Any], indices: list[int] | None = None) -> Any:
        return self._manager.mk_term(self._kind[kind], operands, indices or [])

    def _build(self, position: int, node: Node) -> None:
        op, width, operands, payload = node
        if op in _RELATION:
            if self._nodes[operands[0]][1] == 1 and op == Op.EQ:
                terms = [self._truth(operand) for operand in operands]
            else:
                terms = [self._vector(operand) for operand in operands]
            self._truths[position] = self._term(_RELATION[Op(op)], terms)
        elif width == 1 and op in _TRUTH:
            terms = [self._truth(operand) for operand in operands]
            self._truths[position] = self._term(_TRUTH[Op(op)], terms)
        elif op == Op.ITE and width == 1:
            terms = [self._truth(operand) for operand in operands]
            self._truths[position] = self._term("ITE", terms)
        elif op == Op.IEEE:
            self._truths[position] = self._ieee(operands, str(payload))
        else:
            self._vectors[position] = self._other(node)

    def _ieee(self, operands: tuple[int, ...], names: str) -> Any:
        theory, rounding = named_theory(names)
        *given, result = [self._vector(operand) for operand in operands]
        width = self._nodes[operands[-1]][1]
        floats = given if theory is Theory.FROM_SIGNED else [self._float(each) for each in given]
        mode = self._manager.mk_rm_value(getattr(self._b.RoundingMode, rounding.value))
        if theory is Theory.TO_SIGNED:
            indices = [width]
        elif theory in (Theory.RESIZE, Theory.FROM_SIGNED):
            indices = [*exponent_and_significand(width)]
        else:
            indices = None
        computed = self._term(_FLOAT[theory], [mode, *floats], indices)
        return self._term("EQUAL", [computed, result if theory is Theory.TO_SIGNED else self._float(result)])

    def _float(self, pattern: Any) -> Any:
        exponent, significand = exponent_and_significand(pattern.sort().bv_size())
        return self._term("FP_TO_FP_FROM_BV", [pattern], [exponent, significand])

    def _other(self, node: Node) -> Any:
        op, width, operands, payload = node
        if op in _VECTOR:
            return self._term(_VECTOR[Op(op)], [self._vector(operand) for operand in operands])
        match op:
            case Op.CONST:
                return self._manager.mk_bv_value(self._sort(width), payload)
            case Op.VAR | Op.MEMORY:
                return self._manager.mk_const(self._sort(width), payload)
            case Op.ITE:
                rest = [self._vector(operand) for operand in operands[1:]]
                return self._term("ITE", [self._truth(operands[0]), *rest])
            case Op.EXTRACT:
                assert isinstance(payload, int)
                return self._term("BV_EXTRACT", [self._vector(operands[0])], [payload + width - 1, payload])
            case Op.ZEXT | Op.SEXT:
                kind = "BV_ZERO_EXTEND" if op == Op.ZEXT else "BV_SIGN_EXTEND"
                extra = width - self._nodes[operands[0]][1]
                return self._term(kind, [self._vector(operands[0])], [extra])
            case Op.SELECT | Op.STORE:
                kind = "ARRAY_SELECT" if op == Op.SELECT else "ARRAY_STORE"
                return self._term(kind, [self._vector(operand) for operand in operands])
            case Op.APPLY:
                return self._apply(width, operands, str(payload))
            case _:
                raise UnsupportedError(f"Bitwuzla is not asked about {Op(op).name}")

    def _apply(self, width: int, operands: tuple[int, ...], name: str) -> Any:
        widths = tuple([self._nodes[operand][1] for operand in operands])
        key = (name, widths, width)
        function = self._functions.get(key)
        if function is None:
            if widths:
                sort = self._manager.mk_fun_sort([self._sort(each) for each in widths], self._sort(width))
            else:
                sort = self._sort(width)
            function = self._functions[key] = self._manager.mk_const(sort, name)
        if not widths:
            return function
        return self._term("APPLY", [function, *[self._vector(operand) for operand in operands]])

    def check(self, timeout_s: float) -> str:
        """``sat``, ``unsat``, or why neither."""
        option = self._b.Option
        options = self._b.Options()
        options.set(option.PRODUCE_MODELS, True)
        options.set(option.TIME_LIMIT_PER, max(1, int(timeout_s * 1000)))
        options.set(option.MEMORY_LIMIT, max(1, self._home.memory_bytes >> 20))
        if any(node[0] == Op.VAR and str(node[3]).startswith(CELL) for node in self._nodes):
            # Mostly comparisons of addresses, over which rewriting takes more time than it saves.
            options.set(option.REWRITE_LEVEL, 1)
        solver = self._solver = self._b.Bitwuzla(self._manager, options)
        stopped = False

        def terminate() -> bool:
            nonlocal stopped
            stopped = stopped or self._home.cancelled()
            return stopped

        solver.configure_terminator(terminate)
        for root in self._roots:
            solver.assert_formula(self._truth(root))
        started = time.monotonic()
        result = solver.check_sat()
        if result == self._b.Result.SAT:
            return "sat"
        if result == self._b.Result.UNSAT:
            return "unsat"
        if stopped:
            return "interrupted"
        # The solver does not say which: what it gave up before its time is for want of memory.
        return "out of time" if time.monotonic() - started >= _NEARLY * timeout_s else "out of memory"

    def value(self, position: int) -> int:
        """The number that a term is in the model."""
        if self._vectors[position] is None:
            return int(bool(self._solver.get_value(self._truths[position]).value()))
        return self._number(self._vectors[position])

    def byte(self, memory: int, address: int) -> int:
        """The byte of a memory in the model."""
        where = self._manager.mk_bv_value(self._sort(64), address)
        return self._number(self._term("ARRAY_SELECT", [self._vectors[memory], where]))

    def _number(self, term: Any) -> int:
        return int(self._solver.get_value(term).value(2), 2)
