"""Queries as SMT-LIB 2 text, for other solvers and for people."""

from __future__ import annotations

from burnish.domains.smt.build import TRUE, and_
from burnish.domains.smt.lower_float import Theory, exponent_and_significand, named_theory
from burnish.domains.smt.terms import Op
from burnish.verify.solve.flat import Flat, Node, conjuncts, flatten
from burnish.verify.solve.lower import float_definitions, lower
from burnish.verify.solve.query import Query

_VECTOR = {
    Op.NOT: "bvnot",
    Op.AND: "bvand",
    Op.OR: "bvor",
    Op.XOR: "bvxor",
    Op.ADD: "bvadd",
    Op.MUL: "bvmul",
    Op.UDIV: "bvudiv",
    Op.UREM: "bvurem",
    Op.SDIV: "bvsdiv",
    Op.SREM: "bvsrem",
    Op.SHL: "bvshl",
    Op.LSHR: "bvlshr",
    Op.ASHR: "bvashr",
    Op.CONCAT: "concat",
    Op.SELECT: "select",
    Op.STORE: "store",
}
_RELATION = {Op.EQ: "=", Op.ULT: "bvult", Op.SLT: "bvslt"}


def smtlib(query: Query) -> str:
    """The query as a script that ends in ``(check-sat)``.

    Truth values are vectors of one bit. Memories are arrays; the operations that SMT-LIB lacks are written out. A
    floating-point operation is a function, with what the theory of floating-point numbers says of its results.
    """
    lowered = lower(query.assertions)
    definitions = float_definitions(lowered)
    flat = flatten(conjuncts(and_(TRUE, *lowered, *definitions)))
    lines = ["(set-logic QF_AUFBVFP)" if definitions else "(set-logic QF_AUFBV)"]
    names: dict[int, str] = {}
    functions: dict[tuple[object, ...], str] = {}
    for position, node in enumerate(flat.nodes):
        _declare(flat, node, functions, lines)
        names[position] = f"t{position}"
        lines.append(f"(define-fun t{position} () {_sort(node[1])} {_body(flat, node, functions)})")
    lines += [f"(assert (= t{root} #b1))" for root in flat.roots]
    return "\n".join([*lines, "(check-sat)", ""])


def _sort(width: int) -> str:
    return f"(_ BitVec {width})" if width else "(Array (_ BitVec 64) (_ BitVec 8))"


def _quoted(name: object) -> str:
    # Neither may stand inside bars.
    return "|" + str(name).replace("\\", "/").replace("|", "!") + "|"


def _declare(flat: Flat, node: Node, functions: dict[tuple[object, ...], str], lines: list[str]) -> None:
    """Declares what the node names, if it is new."""
    op, width, operands, payload = node
    if op not in (Op.VAR, Op.MEMORY, Op.APPLY):
        return
    widths = tuple([flat.nodes[operand][1] for operand in operands])
    key = (op, payload, widths, width)
    if key in functions:
        return
    kind = {Op.VAR: "", Op.MEMORY: "memory ", Op.APPLY: "function "}[Op(op)]
    name = _quoted(f"{kind}{payload}")
    if name in functions.values():
        name = _quoted(f"{kind}{payload} {len(functions)}")
    functions[key] = name
    lines.append(f"(declare-fun {name} ({' '.join(map(_sort, widths))}) {_sort(width)})")


def _body(flat: Flat, node: Node, functions: dict[tuple[object, ...], str]) -> str:
    op, width, operands, payload = node
    args = [f"t{operand}" for operand in operands]
    joined = " ".join(args)
    first_width = flat.nodes[operands[0]][1] if operands else 0
    match op:
        case Op.CONST:
            return f"(_ bv{payload} {width})"
        case Op.VAR | Op.MEMORY | Op.APPLY:
            widths = tuple([flat.nodes[operand][1] for operand in operands])
            name = functions[op, payload, widths, width]
            return f"({name} {joined})" if args else name
        case Op.ITE:
            return f"(ite (= {args[0]} #b1) {args[1]} {args[2]})"
        case Op.EXTRACT:
            assert isinstance(payload, int)
            return f"((_ extract {payload + width - 1} {payload}) {joined})"
        case Op.ZEXT | Op.SEXT:
            kind = "zero_extend" if op == Op.ZEXT else "sign_extend"
            return f"((_ {kind} {width - first_width}) {joined})"
        case Op.EQ | Op.ULT | Op.SLT:
            return _truth(f"({_RELATION[Op(op)]} {joined})")
        case Op.IEEE:
            return _ieee(str(payload), args, [flat.nodes[operand][1] for operand in operands])
        case _:
            return _chain(_VECTOR[Op(op)], args)


def _ieee(names: str, args: list[str], widths: list[int]) -> str:
    """Whether the last operand is the pattern of what the operation makes of the others."""
    theory, rounding = named_theory(names)
    numbers = [_number(arg, width) for arg, width in zip(args, widths, strict=True)]
    exponent, significand = exponent_and_significand(widths[-1])
    match theory:
        case Theory.TO_SIGNED:
            return _truth(f"(= ((_ fp.to_sbv {widths[-1]}) {rounding.value} {numbers[0]}) {args[-1]})")
        case Theory.FROM_SIGNED | Theory.RESIZE:
            given = args[0] if theory is Theory.FROM_SIGNED else numbers[0]
            computed = f"((_ to_fp {exponent} {significand}) {rounding.value} {given})"
        case _:
            computed = f"({theory.value} {rounding.value} {' '.join(numbers[:-1])})"
    return _truth(f"(= {computed} {numbers[-1]})")


def _truth(condition: str) -> str:
    return f"(ite {condition} #b1 #b0)"


def _number(arg: str, width: int) -> str:
    if width not in (32, 64):
        return arg
    exponent, significand = exponent_and_significand(width)
    return f"((_ to_fp {exponent} {significand}) {arg})"


def _chain(function: str, args: list[str]) -> str:
    """The operation of two operands over all of them, the first ones first."""
    if function in ("bvnot", "select", "store"):
        return f"({function} {' '.join(args)})"
    text = args[0]
    for arg in args[1:]:
        text = f"({function} {text} {arg})"
    return text
