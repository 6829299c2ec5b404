"""The meaning of each operation as a term against its meaning on numbers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.domains.integers import DivisionError, compute
from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.meaning import MeaninglessError, apply, faults, truth
from burnish.domains.smt.terms import Term
from burnish.verify.solve.query import Model

_SHIFTS = (OpCode.INT_LEFT, OpCode.INT_RIGHT, OpCode.INT_SRIGHT)
_BOOLEAN = (OpCode.BOOL_AND, OpCode.BOOL_OR, OpCode.BOOL_XOR)
_PLAIN = (
    OpCode.INT_ADD, OpCode.INT_SUB, OpCode.INT_MULT, OpCode.INT_XOR, OpCode.INT_AND, OpCode.INT_OR, OpCode.INT_DIV,
    OpCode.INT_REM, OpCode.INT_SDIV, OpCode.INT_SREM, OpCode.INT_SMIN, OpCode.INT_SMAX, OpCode.INT_UMIN,
    OpCode.INT_UMAX, OpCode.INT_SADDSAT, OpCode.INT_UADDSAT, OpCode.INT_SSUBSAT, OpCode.INT_USUBSAT, OpCode.INT_UAVG,
)  # fmt: skip
_COMPARE = (
    OpCode.INT_EQUAL, OpCode.INT_NOTEQUAL, OpCode.INT_LESS, OpCode.INT_LESSEQUAL, OpCode.INT_SLESS,
    OpCode.INT_SLESSEQUAL, OpCode.INT_CARRY, OpCode.INT_SCARRY, OpCode.INT_SBORROW,
)  # fmt: skip
_UNARY = (OpCode.INT_2COMP, OpCode.INT_NEGATE, OpCode.BSWAP)
_COUNTS = (OpCode.POPCOUNT, OpCode.LZCOUNT, OpCode.TZCOUNT)
_FLOATS = (
    OpCode.FLOAT_ADD, OpCode.FLOAT_SUB, OpCode.FLOAT_MULT, OpCode.FLOAT_DIV, OpCode.FLOAT_MIN, OpCode.FLOAT_MAX,
)  # fmt: skip
_FLOAT_COMPARE = (
    OpCode.FLOAT_EQUAL, OpCode.FLOAT_NOTEQUAL, OpCode.FLOAT_LESS, OpCode.FLOAT_LESSEQUAL, OpCode.FLOAT_UNORDERED,
)  # fmt: skip
_FLOAT_UNARY = (OpCode.FLOAT_NEG, OpCode.FLOAT_ABS, OpCode.FLOAT_SQRT)
_WIDE = (OpCode.WIDE_DIV, OpCode.WIDE_REM, OpCode.WIDE_SDIV, OpCode.WIDE_SREM)


def operation(opcode: OpCode, output: int, *inputs: int, lane: int = 0) -> Operation:
    nodes = tuple(Varnode(Space.UNIQUE, 0x100 * k, size) for k, size in enumerate(inputs))
    return Operation(opcode, Varnode(Space.UNIQUE, 0x1000, output), nodes, lane)


def _scalars() -> list[Operation]:
    found: list[Operation] = []
    for n in (1, 2, 4, 8, 16):
        found += [operation(opcode, n, n, n) for opcode in _PLAIN]
        found += [operation(opcode, 1, n, n) for opcode in _COMPARE]
        found += [operation(opcode, n, n, count) for opcode in _SHIFTS for count in (1, 4, 8)]
        found += [operation(opcode, n, n) for opcode in _UNARY]
        found += [operation(opcode, out, n) for opcode in _COUNTS for out in (1, n, 8)]
        found += [operation(OpCode.SELECT, n, 1, n, n), operation(OpCode.PIECE, n + 2, n, 2)]
        found += [operation(op, 16, n) for op in (OpCode.INT_ZEXT, OpCode.INT_SEXT) if n < 16]
    found += [operation(opcode, n, n, n, n) for opcode in _WIDE for n in (1, 2, 4, 8)]
    found += [operation(opcode, 1, 1, 1) for opcode in _BOOLEAN] + [operation(OpCode.BOOL_NEGATE, 1, 1)]
    for n in (4, 8):
        found += [operation(opcode, n, n, n) for opcode in _FLOATS]
        found += [operation(opcode, 1, n, n) for opcode in _FLOAT_COMPARE]
        found += [operation(opcode, n, n) for opcode in _FLOAT_UNARY]
        found += [operation(OpCode.FLOAT_NAN, 1, n), operation(OpCode.FLOAT_FLOAT2FLOAT, 12 - n, n)]
        for m in (4, 8):
            found += [operation(op, m, n) for op in (OpCode.FLOAT_TRUNC, OpCode.FLOAT_ROUND_INT)]
            found += [operation(OpCode.FLOAT_INT2FLOAT, m, n), operation(OpCode.FLOAT_TRUNC_INT, m, n)]
    return found


def _packed() -> list[Operation]:
    found: list[Operation] = []
    same = [
        op for op in _PLAIN if op not in (OpCode.INT_DIV, OpCode.INT_REM, OpCode.INT_SDIV, OpCode.INT_SREM)
    ]
    for lane in (1, 2, 4, 8):
        found += [operation(opcode, 16, 16, 16, lane=lane) for opcode in (*same, *_COMPARE)]
        found += [operation(opcode, 16, 16, count, lane=lane) for opcode in _SHIFTS for count in (1, 8)]
        found += [operation(opcode, 16, 16, lane=lane) for opcode in (OpCode.INT_NEGATE, OpCode.INT_2COMP)]
        found += [operation(OpCode.MASK, out, 16, lane=lane) for out in (4, 8)]
        found += [operation(op, 16, 8, lane=lane) for op in (OpCode.INT_ZEXT, OpCode.INT_SEXT) if lane < 8]
    for lane in (2, 4, 8):
        found += [
            operation(op, 8, 16, lane=lane) for op in (OpCode.NARROW, OpCode.NARROW_SSAT, OpCode.NARROW_USAT)
        ]
    for lane in (4, 8):
        found += [operation(opcode, 16, 16, 16, lane=lane) for opcode in (*_FLOATS, *_FLOAT_COMPARE)]
        found += [operation(opcode, 16, 16, lane=lane) for opcode in _FLOAT_UNARY]
    converts = (OpCode.FLOAT_TRUNC_INT, OpCode.FLOAT_ROUND_INT, OpCode.FLOAT_INT2FLOAT)
    found += [operation(op, 16, 16, lane=4) for op in converts] + [
        operation(op, 8, 16, lane=8) for op in converts[:2]
    ]
    found += [
        operation(OpCode.FLOAT_INT2FLOAT, 16, 8, lane=4),
        operation(OpCode.FLOAT_FLOAT2FLOAT, 16, 8, lane=4),
    ]
    return [*found, operation(OpCode.FLOAT_FLOAT2FLOAT, 8, 16, lane=8)]


OPERATIONS = [*_scalars(), *_packed()]

_EDGES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    1 << 31,
    (1 << 31) - 1,
    1 << 63,
    (1 << 63) - 1,
    (1 << 64) - 1,
    31,
    32,
    33,
    64,
)
_FLOAT_EDGES = (
    0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00001, 0xFF800001, 0x80000000, 1, 0x4EFFFFFF, 0x4F000000,
    0x3FF0000000000000, 0xBFF8000000000000, 0x7FF0000000000000, 0x7FF8000000000123, 0xFFF0000000000001, 1 << 63,
    0x41DFFFFFFFC00000, 0x41E0000000000000, 0x43E0000000000000, 0x000FFFFFFFFFFFFF,
)  # fmt: skip


def _value(rng: random.Random, size: int, lane: int) -> int:
    """Edges of the whole or of each lane, small numbers, anything."""
    lane = lane or size
    mask = (1 << 8 * lane) - 1
    kind = rng.randrange(4)
    total = 0
    for k in range(size // lane):
        match kind:
            case 0:
                value = rng.choice(_EDGES) * rng.choice((1, -1))
            case 1:
                value = rng.choice(_FLOAT_EDGES) << rng.choice((0, 32))
            case 2:
                value = rng.randrange(-4, 70)
            case _:
                value = rng.getrandbits(8 * lane)
        total |= (value & mask) << 8 * lane * k
    return total


def _cases(op: Operation, rng: random.Random, count: int) -> list[list[int]]:
    found: list[list[int]] = []
    boolean = op.opcode.name.startswith("BOOL") or op.opcode is OpCode.SELECT
    for _ in range(count):
        values = [
            _value(rng, node.size, op.lane if node.size % (op.lane or 1) == 0 else 0) for node in op.inputs
        ]
        if boolean:
            values[0] &= 1
        if op.opcode.name.startswith("BOOL"):
            values = [value & 1 for value in values]
        if op.opcode in _SHIFTS:
            values[1] = rng.choice((values[1], rng.randrange(140))) & (1 << 8 * op.inputs[1].size) - 1
        if op.opcode in _WIDE and rng.random() < 0.6:
            n = 8 * op.inputs[0].size
            negative = values[1] >> n - 1 and "S" in op.opcode.name[5:]
            values[0] = (1 << n) - 1 if negative else 0
        found.append(values)
    return found


def _check(op: Operation, values: list[int], result: Term, fault: Term) -> None:
    model = Model(variables={f"v{k}": value for k, value in enumerate(values)})
    got, faulted = evaluate([result, fault], model)
    try:
        want = compute(op, values)
    except DivisionError:
        assert faulted == 1, (op, values)
    else:
        assert (got, faulted) == (want, 0), (op, [hex(value) for value in values])


@pytest.mark.parametrize("op", OPERATIONS, ids=str)
def test_each_operation_computes_what_it_does_on_numbers(op: Operation) -> None:
    rng = random.Random(str(op))
    arguments = [t.var(f"v{k}", 8 * node.size) for k, node in enumerate(op.inputs)]
    result, fault = apply(op, arguments), faults(op, arguments)
    assert (result.width, fault.width) == (8 * op.output.size if op.output else 0, 1)
    for values in _cases(op, rng, 40):
        _check(op, values, result, fault)
        # Some operands known: folding must keep the meaning.
        some = [
            t.const(value, arg.width) if rng.random() < 0.5 else arg
            for value, arg in zip(values, arguments, strict=True)
        ]
        _check(op, values, apply(op, some), faults(op, some))
        known = [t.const(value, arg.width) for value, arg in zip(values, arguments, strict=True)]
        assert faults(op, known).is_const


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([op for op in OPERATIONS if not op.lane and len(op.inputs) == 2]), st.data())
def test_operations_of_related_operands(op: Operation, data: st.DataObject) -> None:
    """Operands that share variables, constants and extensions: where identities fold."""
    a, b = (t.var(f"v{k}", 8 * node.size) for k, node in enumerate(op.inputs))
    if a.width != b.width:
        return
    shapes = {
        "same": a, "negative": t.neg(a), "complement": t.not_(a), "more": t.add(a, t.const(1, a.width)),
        "double": t.add(a, a), "low": t.zext(t.extract(a, 0, a.width // 2), a.width),
        "sign": t.ashr(a, t.const(a.width - 1, a.width)), "sum": t.add(a, b),
    }  # fmt: skip
    first, second = (shapes[data.draw(st.sampled_from(sorted(shapes)))] for _ in range(2))
    result, fault = apply(op, [first, second]), faults(op, [first, second])
    for _ in range(4):
        values = [data.draw(st.integers(0, (1 << a.width) - 1)) for _ in range(2)]
        model = Model(variables={"v0": values[0], "v1": values[1]})
        got, faulted, *operands = evaluate([result, fault, first, second], model)
        try:
            assert (got, faulted) == (compute(op, operands), 0)
        except DivisionError:
            assert faulted == 1


@pytest.mark.parametrize("indices", [(0, 1, 2, 3), (3, 3, 0, 7), (4, 255, 5, 255)])
def test_shuffles_pick_lanes(indices: tuple[int, ...]) -> None:
    picks = tuple(Varnode(Space.CONST, k, 1) for k in indices)
    nodes = (Varnode(Space.UNIQUE, 0, 16), Varnode(Space.UNIQUE, 32, 16))
    op = Operation(OpCode.SHUFFLE, Varnode(Space.UNIQUE, 64, 16), (*nodes, *picks), 4)
    rng = random.Random(3)
    values = [rng.getrandbits(128), rng.getrandbits(128)]
    arguments = [t.var("a", 128), t.var("b", 128), *(t.const(k, 8) for k in indices)]
    got = evaluate([apply(op, arguments)], Model(variables={"a": values[0], "b": values[1]}))
    assert got == [compute(op, [*values, *indices])]


def test_parts_of_a_value() -> None:
    value = 0x112233445566778899AABBCCDDEEFF00
    for offset, size in ((0, 4), (3, 8), (12, 8), (16, 2)):
        nodes = (Varnode(Space.UNIQUE, 32, 16), Varnode(Space.CONST, offset, 4))
        op = Operation(OpCode.SUBPIECE, Varnode(Space.UNIQUE, 0, size), nodes)
        result = apply(op, [t.var("a", 128), t.const(offset, 32)])
        assert evaluate([result], Model(variables={"a": value})) == [compute(op, [value, offset])]


def test_every_pure_opcode_has_a_meaning_or_says_that_it_has_none() -> None:
    effects = {"COPY", "LOAD", "STORE", "BRANCH", "CBRANCH", "BRANCHIND", "CALL", "CALLIND", "CALLOTHER", "RETURN",
               "REP_MOVS", "REP_STOS", "FLOAT_CEIL", "FLOAT_FLOOR", "FLOAT_ROUND"}  # fmt: skip
    tested = {op.opcode.name for op in OPERATIONS} | {"SHUFFLE", "SUBPIECE", "ADDRESS"}
    assert {opcode.name for opcode in OpCode} == tested | effects
    for name in effects:
        with pytest.raises(MeaninglessError):
            apply(operation(OpCode[name], 8, 8, 8), [t.var("a", 64), t.var("b", 64)])


def test_truth_takes_a_boolean_back() -> None:
    c = t.var("c", 1)
    assert truth(t.zext(c, 8)) is c
    assert truth(t.const(2, 8)) is t.TRUE
    assert truth(t.const(0, 8)) is t.FALSE
    values = [evaluate([truth(t.var("b", 8))], Model(variables={"b": b}))[0] for b in (0, 1, 2)]
    assert values == [0, 1, 1]


def test_a_comparison_of_flags_is_a_comparison() -> None:
    """As the conditions of ``jl``, ``jge``, ``jle`` and ``ja`` after ``cmp`` are spelled."""
    a, b = t.var("a", 64), t.var("b", 64)
    difference = t.sub(a, b)
    below, sign = (
        t.zext(t.ult(a, b), 8),
        apply(operation(OpCode.INT_SLESS, 1, 8, 8), [difference, t.const(0, 64)]),
    )
    over = apply(operation(OpCode.INT_SBORROW, 1, 8, 8), [a, b])
    zero = apply(operation(OpCode.INT_EQUAL, 1, 8, 8), [difference, t.const(0, 64)])
    flag = operation(OpCode.INT_NOTEQUAL, 1, 1, 1)
    less = apply(flag, [sign, over])
    assert truth(less) is t.slt(a, b)
    either = operation(OpCode.BOOL_OR, 1, 1, 1)
    assert truth(apply(either, [zero, less])) is t.sle(a, b)
    assert truth(apply(either, [zero, below])) is t.ule(a, b)
