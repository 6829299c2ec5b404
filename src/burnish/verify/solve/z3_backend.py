"""Queries in Z3, through its C interface: its Python classes cost more than most of our queries."""

from __future__ import annotations

import importlib
import os
import select
import threading
from collections.abc import Callable
from ctypes import byref
from typing import Any

from burnish.domains.smt.lower_float import Rounding, Theory, exponent_and_significand, named_theory
from burnish.domains.smt.terms import Op
from burnish.verify.solve.backend import UnsupportedError
from burnish.verify.solve.flat import Flat, Node

_BINARY = {
    Op.AND: "Z3_mk_bvand",
    Op.OR: "Z3_mk_bvor",
    Op.XOR: "Z3_mk_bvxor",
    Op.ADD: "Z3_mk_bvadd",
    Op.MUL: "Z3_mk_bvmul",
    Op.UDIV: "Z3_mk_bvudiv",
    Op.UREM: "Z3_mk_bvurem",
    Op.SDIV: "Z3_mk_bvsdiv",
    Op.SREM: "Z3_mk_bvsrem",
    Op.SHL: "Z3_mk_bvshl",
    Op.LSHR: "Z3_mk_bvlshr",
    Op.ASHR: "Z3_mk_bvashr",
    Op.CONCAT: "Z3_mk_concat",
}
_RELATION = {Op.EQ: "Z3_mk_eq", Op.ULT: "Z3_mk_bvult", Op.SLT: "Z3_mk_bvslt"}
_FLOAT = {
    Theory.ADD: "Z3_mk_fpa_add",
    Theory.SUB: "Z3_mk_fpa_sub",
    Theory.MUL: "Z3_mk_fpa_mul",
    Theory.DIV: "Z3_mk_fpa_div",
    Theory.SQRT: "Z3_mk_fpa_sqrt",
    Theory.RESIZE: "Z3_mk_fpa_to_fp_float",
    Theory.FROM_SIGNED: "Z3_mk_fpa_to_fp_signed",
    Theory.TO_SIGNED: "Z3_mk_fpa_to_sbv",
}
_ROUNDING = {Rounding.NEAREST: "Z3_mk_fpa_rne", Rounding.TRUNCATE: "Z3_mk_fpa_rtz"}
_TRUTH = frozenset((Op.NOT, Op.AND, Op.OR, Op.XOR))
_TRUE = 1


class Z3:
    """The package. When ``cancel`` (a descriptor) can be read while the solver works, it stops."""

    def __init__(self, memory_bytes: int, cancel: int) -> None:
        """Raises ``ImportError`` without the package."""
        self.package: Any = importlib.import_module("z3")
        self.package.set_param("memory_max_size", max(64, memory_bytes >> 20))
        self.cancel = cancel
        # A context takes longer to make than many a query takes to solve.
        self.context: Any = self.package.Context()
        self._last: Z3Query | None = None

    def prepare(self) -> None:
        """Lets go of the last query, while nobody waits."""
        if self._last is not None:
            self._last.release()
            self._last = None

    def load(self, flat: Flat) -> Z3Query:
        """The query as the solver's terms."""
        self.prepare()
        self._last = query = Z3Query(self)
        query.build(flat)
        return query


class Z3Query:
    """One query."""

    def __init__(self, home: Z3) -> None:
        self._z: Any = home.package
        self._whole: Any = home.context
        self._c: Any = self._whole.ref()
        self._cancel = home.cancel
        self._kept: list[Any] = []
        self._sorts: dict[int, Any] = {}
        self._float_sorts: dict[int, Any] = {}
        self._functions: dict[tuple[object, ...], Any] = {}
        self._nodes: tuple[Node, ...] = ()
        self._roots: tuple[int, ...] = ()
        self._vectors: list[Any] = []
        self._truths: list[Any] = []
        self._model: Any = None

    def build(self, flat: Flat) -> None:
        """Makes the terms. Raises ``UnsupportedError`` for those that the solver has not."""
        self._nodes, self._roots = flat.nodes, flat.roots
        self._vectors, self._truths = [None] * len(flat.nodes), [None] * len(flat.nodes)
        for position, node in enumerate(flat.nodes):
            self._build(position, node)

    def _keep(self, term: Any) -> Any:
        self._z.Z3_inc_ref(self._c, term)
        self._kept.append(term)
        return term

    def release(self) -> None:
        """Lets go of every term. The query is of no use after it."""
        self._model = None
        for term in reversed(self._kept):
            self._z.Z3_dec_ref(self._c, term)
        self._kept.clear()

    def _make(self, function: str, *arguments: Any) -> Any:
        return self._keep(getattr(self._z, function)(self._c, *arguments))

    def _array(self, terms: list[Any], kind: str = "Ast") -> Any:
        return (getattr(self._z, kind) * len(terms))(*terms)

    def _sort(self, width: int) -> Any:
        sort = self._sorts.get(width)
        if sort is None:
            if width:
                sort = self._z.Z3_mk_bv_sort(self._c, width)
            else:
                sort = self._z.Z3_mk_array_sort(self._c, self._sort(64), self._sort(8))
            self._sorts[width] = self._keep(sort)
        return sort

    def _number(self, value: int, width: int) -> Any:
        return self._make("Z3_mk_numeral", str(value), self._sort(width))

    def _vector(self, position: int) -> Any:
        term = self._vectors[position]
        if term is None:
            one, zero = self._number(1, 1), self._number(0, 1)
            term = self._vectors[position] = self._make("Z3_mk_ite", self._truths[position], one, zero)
        return term

    def _truth(self, position: int) -> Any:
        term = self._truths[position]
        if term is None:
            one = self._number(1, 1)
            term = self._truths[position] = self._make("Z3_mk_eq", self._vectors[position], one)
        return term

    def _build(self, position: int, node: Node) -> None:
        op, width, operands, payload = node
        if op in _RELATION:
            truths = op == Op.EQ and self._nodes[operands[0]][1] == 1
            terms = [(self._truth if truths else self._vector)(operand) for operand in operands]
            self._truths[position] = self._make(_RELATION[Op(op)], *terms)
        elif width == 1 and op in _TRUTH:
            self._truths[position] = self._connective(op, [self._truth(operand) for operand in operands])
        elif op == Op.ITE and width == 1:
            self._truths[position] = self._make("Z3_mk_ite", *[self._truth(operand) for operand in operands])
        elif op == Op.IEEE:
            self._truths[position] = self._ieee(operands, str(payload))
        else:
            self._vectors[position] = self._other(node)

    def _ieee(self, operands: tuple[int, ...], names: str) -> Any:
        theory, rounding = named_theory(names)
        *given, result = [self._vector(operand) for operand in operands]
        widths = [self._nodes[operand][1] for operand in operands]
        if theory is not Theory.FROM_SIGNED:
            given = [self._float(each, width) for each, width in zip(given, widths, strict=False)]
        mode = self._make(_ROUNDING[rounding])
        if theory is Theory.TO_SIGNED:
            return self._make("Z3_mk_eq", self._make(_FLOAT[theory], mode, *given, widths[-1]), result)
        resizes = theory in (Theory.RESIZE, Theory.FROM_SIGNED)
        sort = [self._float_sort(widths[-1])] if resizes else []
        computed = self._make(_FLOAT[theory], mode, *given, *sort)
        return self._make("Z3_mk_eq", computed, self._float(result, widths[-1]))

    def _float(self, pattern: Any, width: int) -> Any:
        return self._make("Z3_mk_fpa_to_fp_bv", pattern, self._float_sort(width))

    def _float_sort(self, width: int) -> Any:
        sort = self._float_sorts.get(width)
        if sort is None:
            sort = self._float_sorts[width] = self._make("Z3_mk_fpa_sort", *exponent_and_significand(width))
        return sort

    def _connective(self, op: int, terms: list[Any]) -> Any:
        if op == Op.NOT:
            return self._make("Z3_mk_not", terms[0])
        if op != Op.XOR:
            function = "Z3_mk_and" if op == Op.AND else "Z3_mk_or"
            return self._make(function, len(terms), self._array(terms))
        return self._chain("Z3_mk_xor", terms)

    def _chain(self, function: str, terms: list[Any]) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = self._make(function, total, term)
        return total

    def _other(self, node: Node) -> Any:
        op, width, operands, payload = node
        if op in _BINARY:
            return self._chain(_BINARY[Op(op)], [self._vector(operand) for operand in operands])
        match op:
            case Op.CONST:
                assert isinstance(payload, int)
                return self._number(payload, width)
            case Op.VAR | Op.MEMORY:
                # A name is a symbol of Z3 once for each kind, so that a variable and a function never meet.
                symbol = self._z.Z3_mk_string_symbol(self._c, f"variable {payload}")
                return self._make("Z3_mk_const", symbol, self._sort(width))
            case Op.NOT:
                return self._make("Z3_mk_bvnot", self._vector(operands[0]))
            case Op.ITE:
                rest = [self._vector(operand) for operand in operands[1:]]
                return self._make("Z3_mk_ite", self._truth(operands[0]), *rest)
            case Op.EXTRACT:
                assert isinstance(payload, int)
                return self._make("Z3_mk_extract", payload + width - 1, payload, self._vector(operands[0]))
            case Op.ZEXT | Op.SEXT:
                function = "Z3_mk_zero_ext" if op == Op.ZEXT else "Z3_mk_sign_ext"
                extra = width - self._nodes[operands[0]][1]
                return self._make(function, extra, self._vector(operands[0]))
            case Op.SELECT | Op.STORE:
                function = "Z3_mk_select" if op == Op.SELECT else "Z3_mk_store"
                return self._make(function, *[self._vector(operand) for operand in operands])
            case Op.APPLY:
                return self._apply(width, operands, str(payload))
            case _:
                raise UnsupportedError(f"Z3 is not asked about {Op(op).name}")

    def _apply(self, width: int, operands: tuple[int, ...], name: str) -> Any:
        widths = tuple([self._nodes[operand][1] for operand in operands])
        key = (name, widths, width)
        function = self._functions.get(key)
        if function is None:
            symbol = self._z.Z3_mk_string_symbol(self._c, f"function {name}")
            domain = self._array([self._sort(each) for each in widths], "Sort")
            function = self._z.Z3_mk_func_decl(self._c, symbol, len(widths), domain, self._sort(width))
            self._functions[key] = self._keep(function)
        terms = [self._vector(operand) for operand in operands]
        return self._make("Z3_mk_app", function, len(terms), self._array(terms))

    def check(self, timeout_s: float) -> str:
        """``sat``, ``unsat``, or why neither."""
        solver = self._z.Solver(ctx=self._whole)
        solver.set("timeout", max(1, int(timeout_s * 1000)))
        for root in self._roots:
            self._z.Z3_solver_assert(self._c, solver.solver, self._truth(root))
        result = self._interruptible(lambda: str(solver.check()))
        if result == "sat":
            self._model = solver.model()
        return result if result in ("sat", "unsat") else solver.reason_unknown()

    def _interruptible(self, work: Callable[[], str]) -> str:
        finished, finish = os.pipe()

        def watch() -> None:
            ready = select.select([self._cancel, finished], [], [])[0]
            if finished not in ready:
                self._z.Z3_interrupt(self._c)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            return work()
        finally:
            os.close(finish)
            watcher.join()
            os.close(finished)

    def value(self, position: int) -> int:
        """The number that a term is in the model."""
        if self._vectors[position] is None:
            truth = self._evaluate(self._truths[position])
            return int(self._z.Z3_get_bool_value(self._c, truth) == _TRUE)
        return int(self._z.Z3_get_numeral_string(self._c, self._evaluate(self._vectors[position])))

    def byte(self, memory: int, address: int) -> int:
        """The byte of a memory in the model."""
        where = self._number(address, 64)
        term = self._make("Z3_mk_select", self._vectors[memory], where)
        return int(self._z.Z3_get_numeral_string(self._c, self._evaluate(term)))

    def _evaluate(self, term: Any) -> Any:
        found = self._z.Ast(None)
        # Completion gives a value to what the formula left free.
        if not self._z.Z3_model_eval(self._c, self._model.model, term, True, byref(found)):
            raise ValueError("Z3 has no value for a term of its own model")
        return self._keep(found)
