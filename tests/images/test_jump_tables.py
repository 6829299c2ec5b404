"""Jump tables: each case of real switches leads to the call that the source has there; what has no sound bound is
refused; and the terms behind it mean what the operations mean."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.code import Block, Function, Jump, Label, Reason, Refused, Switch, TailCall
from burnish.core.image import Image
from burnish.core.pcode import OpCode, Space
from burnish.images import assemble, control_flow, load
from burnish.images.intervals import Fact, interval
from burnish.images.terms import Apply, Const, Input, Memory, Sum, Term, Unknown, apply, mask, signed
from burnish.machine.registers import gpr

COMPILERS = [c for c in ("gcc", "clang", "clang-14") if shutil.which(c)]
LEVELS = ["-O0", "-O1", "-O2", "-Os"]
CODE_MODELS = {"pic": ["-fPIC", "-shared"], "fixed": ["-fno-pic", "-no-pie"]}

CASES = "".join(f"        case {value}: return g{value}(x);\n" for value in range(12))
SHIFTED = "".join(f"        case {value}: return g{value - 40}(x);\n" for value in range(40, 52))
SPARSE = "".join(f"        case {v}: return g{k}(x);\n" for k, v in enumerate((1, 2, 3, 5, 8, 9, 11, 12)))
EXTERNAL = "".join(f"int g{value}(long);\n" for value in range(12))

SWITCHES = {
    "plain": f"int f(long x, unsigned k) {{ switch (k) {{\n{CASES} }} return -1; }}",
    "signed": f"int f(long x, int k) {{ switch (k) {{\n{CASES} }} return -1; }}",
    "long": f"int f(long x, long k) {{ switch (k) {{\n{CASES} }} return -1; }}",
    "byte": f"int f(long x, unsigned char k) {{ switch (k) {{\n{CASES} }} return -1; }}",
    "char": f"int f(long x, signed char k) {{ switch (k) {{\n{CASES} }} return -1; }}",
    "short": f"int f(long x, short *k) {{ switch (*k) {{\n{CASES} }} return -1; }}",
    "shifted": f"int f(long x, int k) {{ switch (k) {{\n{SHIFTED} }} return -1; }}",
    "sparse": f"int f(long x, int k) {{ switch (k) {{\n{SPARSE} }} return -1; }}",
    "masked": f"int f(long x, int k) {{ switch (k & 7) {{\n{CASES} }} return -1; }}",
    "remainder": f"int f(long x, unsigned k) {{ switch (k % 11) {{\n{CASES} }} return -1; }}",
    "field": "struct s { int a, k; };"
    f"int f(long x, struct s *p) {{ p->a++; switch (p->k) {{\n{CASES} }} return -1; }}",
    "loop": "int f(long x, unsigned char *p) { int sum = 0; for (;; p++) switch (*p) {\n"
    + CASES.replace("return", "sum +=").replace(";\n", "; break;\n")
    + " default: return sum; } }",
    "checked before": f"int f(long x, unsigned k) {{ if (k > 11) return 7; g3(x); switch (k) {{\n{CASES} }}"
    " return -1; }",
}

EXPECTED: dict[str, dict[int, str]] = {
    **{name: {v: f"g{v}" for v in range(12)} for name in SWITCHES},
    "shifted": {v: f"g{v - 40}" for v in range(40, 52)},
    "sparse": {v: f"g{k}" for k, v in enumerate((1, 2, 3, 5, 8, 9, 11, 12))},
    "masked": {v: f"g{v}" for v in range(8)},
    "remainder": {v: f"g{v}" for v in range(11)},
}


def flow_of(image: Image, name: str = "f") -> Function | Refused:
    return control_flow(image, next(b for b in image.functions if b.name == name))


def switches(function: Function) -> list[Switch]:
    return [b.terminator for b in function.blocks if isinstance(b.terminator, Switch)]


def first_call(image: Image, function: Function, label: Label) -> str:
    """The import that the code at ``label`` calls first, going on along jumps; empty if there is none."""
    seen: set[Label] = set()
    while label not in seen:
        seen.add(label)
        block: Block = function.block(label)
        for op in block.operations:
            if op.opcode is OpCode.CALL:
                return image.plt[op.inputs[0].offset].name
        match block.terminator:
            case TailCall(target) if target.space is Space.RAM:
                return image.plt[target.offset].name
            case Jump(target):
                label = target
            case _:
                return ""
    return ""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Image]:
    folder = tmp_path_factory.mktemp("tables")

    def run(source: str, compiler: str, *flags: str) -> Image:
        text, path = folder / "t.c", folder / f"t{len(list(folder.iterdir()))}"
        extra = EXTERNAL.replace("(long);", "(long x) { return x; }") + "int main(void) { return 0; }\n"
        helper = folder / "libg.so"
        if not helper.exists():
            subprocess.run(
                ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(helper)],
                input=extra.encode(),
                check=True,
            )
        text.write_text(EXTERNAL + source)
        command = [compiler, "-w", *flags, str(text), "-o", str(path), str(helper)]
        subprocess.run(command, check=True)
        return load(path)

    return run


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("model", CODE_MODELS)
@pytest.mark.parametrize("level", LEVELS)
def test_each_case_leads_where_the_source_says(
    compiler: str, model: str, level: str, build: Callable[..., Image]
) -> None:
    """One program with all the switches, for each compiler, level and code model."""
    bodies = "\n".join(
        re.sub(r"\bf\(", f"f_{name.replace(' ', '_')}(", body) for name, body in SWITCHES.items()
    )
    image = build(bodies + "\nint main(void) { return 0; }\n", compiler, level, *CODE_MODELS[model])
    tables = 0
    for name, expected in EXPECTED.items():
        flow = flow_of(image, "f_" + name.replace(" ", "_"))
        if name in ("byte", "char") and compiler != "gcc" and isinstance(flow, Refused):
            continue  # clang compares the low byte and takes for granted that callers extend it, which no ABI says
        assert isinstance(flow, Function), (name, flow)
        for switch in switches(flow):
            tables += 1
            called = {first_call(image, flow, label) for label in switch.targets}
            assert len(set(expected.values()) - called) <= _ELSEWHERE, name
            if switch.index is not None:
                by_index = {index: first_call(image, flow, label) for index, label in switch.cases}
                assert any(agrees(by_index, expected, offset) for offset in {0, *expected}), (name, by_index)
    assert tables >= len(SWITCHES) - 3  # a compiler may find another way


_ELSEWHERE = 3
"""Cases that a compiler may handle before it comes to the table."""


def agrees(by_index: dict[int, str], expected: dict[int, str], offset: int) -> bool:
    """True if index ``i`` of the table leads where the case ``i + offset`` does in the source."""
    found = [by_index.get(value - offset, "") for value in expected]
    wrong = [f for f, e in zip(found, expected.values(), strict=True) if f not in ("", e)]
    return not wrong and found.count("") <= _ELSEWHERE


THREADED = """
static int run(const unsigned char *p, int x) {
    static const void *const labels[] = { &&inc, &&dec, &&twice, &&stop };
    goto *labels[*p++ & MASK];
inc: x++; goto *labels[*p++ & MASK];
dec: x--; goto *labels[*p++ & MASK];
twice: x *= 2; goto *labels[*p++ & MASK];
stop: return x;
}
int f(const unsigned char *p, int x) { return run(p, x); }
int main(void) { return 0; }
"""


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mask_bits", ["3", "0x7f", "0xff"])
def test_computed_goto(compiler: str, level: str, mask_bits: str, build: Callable[..., Image]) -> None:
    """With a mask as large as the table, and with larger ones: the table then ends where its pointers do."""
    image = build(THREADED, compiler, level, f"-DMASK={mask_bits}", "-pie", "-fPIE")
    name = "run" if any(b.name == "run" for b in image.functions) else "f"
    flow = flow_of(image, name)
    assert isinstance(flow, Function), flow
    found = switches(flow)
    assert found
    assert all(len(switch.targets) == 4 for switch in found)


# Hand-written tables. Each is refused, or has just the cases that it can take.

TABLE = """
        .section .data.rel.ro, "aw"
    t:  .quad 10f, 11f, 12f, 13f
        .text
    10: mov $0, %eax
        ret
    11: mov $1, %eax
        ret
    12: mov $2, %eax
        ret
    13: mov $3, %eax
        ret
"""

SOUND = {
    "a compare": "cmp $3, %edi\n ja 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a smaller compare": "cmp $1, %edi\n ja 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a compare that excludes": "cmp $4, %edi\n jae 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a mask": "and $3, %edi\n lea t(%rip), %rdx\n jmp *(%rdx,%rdi,8)",
    "a shift": "shr $30, %edi\n lea t(%rip), %rdx\n jmp *(%rdx,%rdi,8)",
    "a copy": "mov %edi, %ecx\n mov %edi, %esi\n cmp $3, %ecx\n ja 13f\n lea t(%rip), %rdx\n jmp *(%rdx,%rsi,8)",
    "a scaled index": "cmp $3, %edi\n ja 13f\n mov %edi, %edi\n shl $3, %rdi\n lea t(%rip), %rdx\n jmp *(%rdi,%rdx)",
    "an index on the stack": "mov %edi, -4(%rsp)\n cmpl $3, -4(%rsp)\n ja 13f\n mov -4(%rsp), %eax\n"
    " lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "an index on the stack, with another store": "mov %edi, -4(%rsp)\n cmpl $3, -4(%rsp)\n ja 13f\n"
    " movl $77, -8(%rsp)\n mov -4(%rsp), %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "signed, from both sides": "test %edi, %edi\n js 13f\n cmp $3, %edi\n jg 13f\n movslq %edi, %rdi\n"
    " lea t(%rip), %rdx\n jmp *(%rdx,%rdi,8)",
    "a base from before a loop": "lea t(%rip), %r8\n1: dec %esi\n jne 1b\n cmp $3, %edi\n ja 13f\n"
    " mov %edi, %edi\n jmp *(%r8,%rdi,8)",
    "one of two values": "test %edi, %edi\n setne %al\n movzbl %al, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a conditional move": "cmp $3, %edi\n mov $3, %eax\n cmovb %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
}

UNSOUND = {
    "no bound": "mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a bound of the lower half": "cmp $3, %edi\n ja 13f\n lea t(%rip), %rdx\n jmp *(%rdx,%rdi,8)",
    "a bound beyond the table": "cmp $9, %edi\n ja 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a bound of another register": "cmp $3, %esi\n ja 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "a bound on one path": "test %esi, %esi\n je 1f\n cmp $3, %edi\n ja 13f\n1: mov %edi, %eax\n"
    " lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "changed after its bound": "cmp $3, %edi\n ja 13f\n add %esi, %edi\n mov %edi, %eax\n lea t(%rip), %rdx\n"
    " jmp *(%rdx,%rax,8)",
    "changed in memory after its bound": "mov %edi, -4(%rsp)\n cmpl $3, -4(%rsp)\n ja 13f\n mov %esi, (%rdx)\n"
    " mov -4(%rsp), %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "clobbered by a call": "push %rbx\n cmp $3, %edi\n ja 13f\n call g@PLT\n mov %edi, %edi\n lea t(%rip), %rdx\n"
    " jmp *(%rdx,%rdi,8)",
    "a signed bound only": "cmp $3, %edi\n jg 13f\n movslq %edi, %rdi\n lea t(%rip), %rdx\n jmp *(%rdx,%rdi,8)",
    "a bound of the last round's value": "1: mov (%rsi), %eax\n add $4, %rsi\n lea t(%rip), %rdx\n test %ecx, %ecx\n"
    " jne 2f\n cmp $3, %eax\n ja 13f\n mov $1, %ecx\n jmp 1b\n2: jmp *(%rdx,%rax,8)",
    "the bound of the wrong side": "cmp $3, %edi\n jb 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n jmp *(%rdx,%rax,8)",
    "two bases": "cmp $3, %edi\n ja 13f\n mov %edi, %eax\n lea t(%rip), %rdx\n test %esi, %esi\n cmove %rcx, %rdx\n"
    " jmp *(%rdx,%rax,8)",
}


def hand_written(code: str, table: str = TABLE) -> Function | Refused:
    return flow_of(assemble(f".text\n.globl f\nf:\n{code.replace('13f', '13f')}\n{table}"))


@pytest.mark.parametrize("name", SOUND)
def test_sound_bounds(name: str) -> None:
    flow = hand_written(SOUND[name])
    assert isinstance(flow, Function), flow
    (switch,) = switches(flow)
    expected = {"a smaller compare": 2, "one of two values": 2}.get(name, 4)
    assert len(switch.targets) == expected
    if switch.index is not None:
        assert [value for value, _ in switch.cases] == list(range(expected))


def test_an_index_that_is_written_over_by_its_target_is_kept() -> None:
    flow = hand_written("lea t(%rip), %rdx\n and $3, %edi\n mov (%rdx,%rdi,8), %rdi\n inc %esi\n jmp *%rdi")
    assert isinstance(flow, Function), flow
    (switch,) = switches(flow)
    assert [value for value, _ in switch.cases] == [0, 1, 2, 3]
    assert switch.index is not None
    block = flow.blocks[0]
    kept = [i for i, op in enumerate(block.operations) if op.output == switch.index]
    assert [block.operations[i].inputs[0] for i in kept] == [gpr("rdi")]
    written = [i for i, op in enumerate(block.operations) if op.output == gpr("rdi")]
    assert written[-2] < kept[0] < written[-1]
    starts = dict(block.marks)
    assert block.operations[starts[max(starts)] - 1].output == gpr("rsi")


def test_an_index_from_the_block_before_is_kept() -> None:
    flow = hand_written("cmp $3, %edi\n ja 13f\n mov %edi, %edi\n jmp 1f\n1: lea t(%rip), %rdx\n"
    " mov (%rdx,%rdi,8), %rdi\n jmp *%rdi")  # fmt: skip
    assert isinstance(flow, Function), flow
    (switch,) = switches(flow)
    assert [value for value, _ in switch.cases] == [0, 1, 2, 3]
    block = next(block for block in flow.blocks if block.terminator is switch)
    (kept,) = (i for i, op in enumerate(block.operations) if op.output == switch.index)
    assert block.operations[kept].inputs[0] == gpr("rdi")
    assert all(op.output != gpr("rdi") for op in block.operations[:kept])


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_bounds_are_refused(name: str) -> None:
    flow = hand_written(UNSOUND[name])
    assert isinstance(flow, Refused), switches(flow)
    assert flow.reason is Reason.UNRESOLVED_JUMP


def test_a_table_that_can_be_written_is_refused() -> None:
    flow = hand_written(SOUND["a mask"], TABLE.replace('.data.rel.ro, "aw"', '.data, "aw"'))
    assert isinstance(flow, Refused)


def test_an_entry_that_is_no_code_of_the_function_is_refused() -> None:
    for entry in ("t", "0", "elsewhere", "10f + 1"):
        flow = hand_written(SOUND["a mask"], TABLE.replace("12f,", f"{entry},"))
        assert isinstance(flow, Refused), entry


def test_all_targets_of_random_indices_agree_with_the_processor(tmp_path: Path) -> None:
    """The switch of a compiled program, run for every index: it ends where our cases say."""
    cases = "".join(f"case {v}: return {1000 + v * v};\n" for v in (0, 1, 2, 4, 5, 7, 9, 10))
    harness = (
        "#include <stdio.h>\nextern int f(unsigned k, int *p);\n"
        'int main(void) { int p; for (unsigned k = 0; k < 16; k++) { p = 0; printf("%d\\n", f(k, &p)); } }\n'
    )
    body = f"int f(unsigned k, int *p) {{ *p = k; switch (k) {{ {cases} default: return -1; }} }}"
    (tmp_path / "h.c").write_text(harness)
    (tmp_path / "f.c").write_text(body)
    path = tmp_path / "program"
    flags = ["-O1", "-fno-tree-switch-conversion"]
    subprocess.run(["gcc", *flags, str(tmp_path / "h.c"), str(tmp_path / "f.c"), "-o", str(path)], check=True)
    results = [
        int(line)
        for line in subprocess.run([path], capture_output=True, text=True, check=True).stdout.split()
    ]
    image = load(path)
    flow = flow_of(image)
    assert isinstance(flow, Function)
    (switch,) = switches(flow)
    assert switch.index is not None
    for value, label in switch.cases:
        constants = [
            op.inputs[0].offset
            for op in flow.block(label).operations
            if op.opcode is OpCode.COPY and op.inputs[0].space is Space.CONST and op.output is not None
        ]
        assert [signed(c & mask(4), 4) for c in constants][:1] == [results[value]]


# Terms

REGISTER = Input(gpr("rax"))


def concrete(term: Term, value: int) -> int:
    """The value of a term over RAX, written apart from the code under test."""
    match term:
        case Const(number):
            return number
        case Input():
            return value
        case Sum(constant, parts, size):
            return (constant + sum(concrete(p, value) * factor for p, factor in parts)) & mask(size)
        case Apply(opcode, operands, size):
            return semantics(opcode, [concrete(o, value) for o in operands], [o.size for o in operands], size)
        case Unknown() | Memory():
            raise AssertionError("not in these tests")


def semantics(opcode: OpCode, v: list[int], sizes: list[int], size: int) -> int:
    """The p-code manual, for the operations that indices are computed with."""
    s = [signed(x, n) for x, n in zip(v, sizes, strict=True)]
    top = mask(size)
    table: dict[OpCode, Callable[[], int]] = {
        OpCode.COPY: lambda: v[0],
        OpCode.INT_ADD: lambda: v[0] + v[1],
        OpCode.INT_SUB: lambda: v[0] - v[1],
        OpCode.INT_MULT: lambda: v[0] * v[1],
        OpCode.INT_2COMP: lambda: -v[0],
        OpCode.INT_LEFT: lambda: v[0] << v[1] if v[1] < 8 * size else 0,
        OpCode.INT_RIGHT: lambda: v[0] >> v[1] if v[1] < 8 * size else 0,
        OpCode.INT_AND: lambda: v[0] & v[1],
        OpCode.INT_ZEXT: lambda: v[0],
        OpCode.INT_SEXT: lambda: s[0],
        OpCode.SUBPIECE: lambda: v[0] >> 8 * v[1],
        OpCode.PIECE: lambda: v[0] << 8 * sizes[1] | v[1],
        OpCode.INT_REM: lambda: v[0] % v[1],
        OpCode.INT_LESS: lambda: v[0] < v[1],
        OpCode.INT_LESSEQUAL: lambda: v[0] <= v[1],
        OpCode.INT_SLESS: lambda: s[0] < s[1],
        OpCode.INT_EQUAL: lambda: v[0] == v[1],
        OpCode.INT_NOTEQUAL: lambda: v[0] != v[1],
        OpCode.INT_SBORROW: lambda: s[0] - s[1] != signed(v[0] - v[1] & mask(sizes[0]), sizes[0]),
        OpCode.BOOL_NEGATE: lambda: 1 - v[0],
        OpCode.BOOL_AND: lambda: v[0] & v[1],
        OpCode.BOOL_OR: lambda: v[0] | v[1],
        OpCode.SELECT: lambda: v[1] if v[0] else v[2],
    }
    return int(table[opcode]()) & top


class Drawn:
    """A term as built by ``apply``, and the same computed in the open for one value of RAX."""

    def __init__(self, seed: int, value: int) -> None:
        self.generator = random.Random(seed)
        self.value = value

    def step(self, opcode: OpCode, operands: list[tuple[Term, int]], size: int) -> tuple[Term, int]:
        terms = tuple(term for term, _ in operands)
        expected = semantics(opcode, [v for _, v in operands], [t.size for t in terms], size)
        return apply(opcode, terms, size), expected

    def number(self, size: int) -> tuple[Term, int]:
        value = self.generator.choice(
            (0, 1, 3, 7, 12, 127, 255, 0x80, 1 << 31, mask(4), mask(size) - 2)
        ) & mask(size)
        return Const(value, size), value

    def index(self, depth: int) -> tuple[Term, int]:
        if depth == 0:
            return REGISTER, self.value
        inner = self.index(depth - 1)
        size = inner[0].size
        choices = [
            OpCode.INT_ADD,
            OpCode.INT_SUB,
            OpCode.INT_AND,
            OpCode.INT_RIGHT,
            OpCode.INT_LEFT,
            OpCode.INT_MULT,
        ]
        choices += [OpCode.SUBPIECE] * (size > 1) + [OpCode.INT_ZEXT, OpCode.INT_SEXT] * (size < 8)
        choices += [OpCode.INT_2COMP, OpCode.INT_REM]
        opcode = self.generator.choice(choices)
        if opcode is OpCode.SUBPIECE:
            smaller = self.generator.choice([n for n in (1, 2, 4) if n < size])
            skip = self.generator.choice((0, 0, size - smaller))
            return self.step(opcode, [inner, (Const(skip, 4), skip)], smaller)
        if opcode in (OpCode.INT_ZEXT, OpCode.INT_SEXT):
            return self.step(opcode, [inner], self.generator.choice([n for n in (2, 4, 8) if n > size]))
        if opcode is OpCode.INT_2COMP:
            return self.step(opcode, [inner], size)
        if opcode in (OpCode.INT_LEFT, OpCode.INT_RIGHT):
            count = self.generator.randrange(8 * size)
            return self.step(opcode, [inner, (Const(count, 4), count)], size)
        other = self.number(size)
        return self.step(opcode, [inner, (Const(9, size), 9) if opcode is OpCode.INT_REM else other], size)

    def condition(self, subject: tuple[Term, int]) -> tuple[Term, int]:
        size = subject[0].size
        other = self.number(size)
        kind = self.generator.randrange(6)
        if kind < 3:
            simple = (OpCode.INT_LESS, OpCode.INT_EQUAL, OpCode.INT_SLESS)[kind]
            pair = [subject, other]
            self.generator.shuffle(pair)
            return self.step(simple, pair, 1)
        gap = self.step(OpCode.INT_SUB, [subject, other], size)
        zero = (Const(0, size), 0)
        equal = self.step(OpCode.INT_EQUAL, [gap, zero], 1)
        if kind == 3:
            return self.step(OpCode.BOOL_OR, [self.step(OpCode.INT_LESS, [subject, other], 1), equal], 1)
        sign = self.step(OpCode.INT_SLESS, [gap, zero], 1)
        overflow = self.step(OpCode.INT_SBORROW, [subject, other], 1)
        unlike = self.step(OpCode.INT_NOTEQUAL, [sign, overflow], 1)
        return unlike if kind == 4 else self.step(OpCode.BOOL_OR, [equal, unlike], 1)


values = st.one_of(
    st.integers(0, 300), st.integers(0, mask(8)), st.integers(mask(8) - 300, mask(8)), st.integers(0, mask(4))
)


@settings(max_examples=1500, deadline=None)
@given(seed=st.integers(0, 1 << 40), value=values, depth=st.integers(0, 6))
def test_terms_mean_what_the_operations_mean(seed: int, value: int, depth: int) -> None:
    term, expected = Drawn(seed, value).index(depth)
    assert concrete(term, value) == expected


@settings(max_examples=3000, deadline=None)
@given(seed=st.integers(0, 1 << 40), value=values, depth=st.integers(0, 4))
def test_intervals_hold_every_value_that_the_conditions_allow(seed: int, value: int, depth: int) -> None:
    """Whatever conditions hold for a value of RAX: each term's value lies in the interval that follows from them."""
    drawn = Drawn(seed, value)
    subjects = [drawn.index(depth) for _ in range(3)]
    facts: list[Fact] = []
    for subject in subjects:
        condition, holds = drawn.condition(subject)
        assert concrete(condition, value) == holds
        facts.append(Fact(condition, bool(holds)))
    for term, expected in [
        *subjects,
        (REGISTER, value),
        drawn.step(OpCode.INT_ADD, subjects[:1] * 2, subjects[0][0].size),
    ]:
        found = interval(term, facts)
        assert found.low <= expected <= found.high, (term, facts)
