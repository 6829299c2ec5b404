"""Types of functions: where gcc's code leaves what it returns, and how much stack it takes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.core.errors import UsageError
from burnish.core.image import Access
from burnish.core.specification import LiveOut
from burnish.core.state import Finished, MachineState, MemoryRegion
from burnish.machine.registers import GPR_NAMES
from burnish.runtime.isolation import DEFAULT_RETURN_ADDRESS, Executor, Placement
from burnish.verify.subject import Input, read_input
from burnish.verify.subject.specify import live_outs, prototype
from burnish.verify.subject.types import UnreadableTypeError

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

STACK = 0x7000_0000

VALUES = [
    ("signed char", "-3"),
    ("_Bool", "1"),
    ("short", "0x1234"),
    ("int", "0x12345678"),
    ("long", "0x123456789abcdef0"),
    ("unsigned __int128", "((unsigned __int128)0x1122334455667788 << 64) | 0x99aabbccddeeff00"),
    ("float", "1.5f"),
    ("double", "2.75"),
    ("__float128", "3.125Q"),
    ("_Complex float", "1.5f + 2.5fi"),
    ("_Complex double", "1.5 + 2.5i"),
    ("enum { A = 1, B = 77 }", "B"),
    ("float __attribute__((vector_size(16)))", "{1, 2, 3, 4}"),
    ("int __attribute__((vector_size(8)))", "{7, 8}"),
    ("struct { int a, b; }", "{1, 2}"),
    ("struct { int a; float b; }", "{1, 2}"),
    ("struct { float a, b; }", "{1, 2}"),
    ("struct { double a; long b; }", "{1, 2}"),
    ("struct { long a; double b; }", "{1, 2}"),
    ("struct { float a, b, c; }", "{1, 2, 3}"),
    ("struct { int a; struct { int b; float c; } s; float d; }", "{1, {2, 3}, 4}"),
    ("struct { char a[3]; short b; char c[7]; }", "{{1, 2, 3}, 4, {5, 6, 7, 8, 9, 10, 11}}"),
    ("union { double a; long b; }", "{.b = 0x123456789abc}"),
    ("union { float a; double b; }", "{.b = 2.75}"),
    ("struct { unsigned a : 3, b : 20; unsigned long c : 40; }", "{5, 77777, 0xabcdef1234}"),
    ("struct { __attribute__((vector_size(16))) float v; }", "{{1, 2, 3, 4}}"),
]


@pytest.fixture(scope="module")
def returning(tmp_path_factory: pytest.TempPathFactory) -> Input:
    """A file with ``f0``, ``f1`` … that return the values, which stand in ``v0``, ``v1`` …."""
    text = "".join(
        f"typedef {kind} t{k};\nt{k} v{k} = {value};\nt{k} f{k}(void) {{ return v{k}; }}\n"
        for k, (kind, value) in enumerate(VALUES)
    )
    path = tmp_path_factory.mktemp("types") / "values.c"
    path.write_text(text)
    return read_input(path, ("-O2",))


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor() as found:
        yield found


@pytest.mark.parametrize("number", range(len(VALUES)), ids=[kind for kind, _ in VALUES])
def test_results_are_where_gcc_leaves_them(returning: Input, executor: Executor, number: int) -> None:
    image = returning.image
    symbol = next(s for s in returning.data.symbols if s.name == f"v{number}")
    expected = image.read(symbol.address, symbol.size)
    bounds = returning.function(f"f{number}")
    regions = [MemoryRegion(s.address, s.data, s.access | Access.READ) for s in image.segments]
    gpr = tuple(STACK + 0x800 if name == "rsp" else 0x5A5A5A5A5A5A5A5A for name in GPR_NAMES)
    state = MachineState(gpr, (0x5A << 120,) * 16, memory=(*regions, MemoryRegion(STACK, bytes(0x1000))))
    placement = Placement(entry=bounds.address, return_address=DEFAULT_RETURN_ADDRESS)
    done = executor.run(b"", state, placement)
    assert isinstance(done, Finished)
    kind = returning.types.of(bounds)
    assert kind is not None
    found = b""
    for part in kind.live_outs:
        name = part.register
        value = done.state.xmm[int(name[3:])] if name[0] == "x" else done.state.gpr[GPR_NAMES.index(name)]
        found += value.to_bytes(16, "little")[: part.size]
    padding = 1 if "short" in VALUES[number][0] and "struct" in VALUES[number][0] else 0
    assert found + bytes(padding) == expected


def test_parameters_take_the_registers_and_the_stack_that_the_abi_says(tmp_path: Path) -> None:
    path = tmp_path / "a.c"
    path.write_text(
        "struct big { long a[3]; };\n"
        "struct two { double a; long b; };\n"
        "struct big f(int a, struct two b, char c, float d, long e, struct big g, __int128 h, _Bool i,"
        " long double j, int k) { return g; }\n"
    )
    home = read_input(path)
    kind = home.types.of(home.function("f"))
    assert kind is not None
    # rdi is the place of the result; the 128-bit number finds one register left and goes to the stack, aligned.
    assert dict(kind.arguments) == {
        "rdi": 8, "rsi": 4, "xmm0": 8, "rdx": 8, "rcx": 1, "xmm1": 4, "r8": 8, "r9": 1,
    }  # fmt: skip
    assert kind.stack_bytes == 24 + 8 + 16 + 16 + 8
    assert kind.preconditions == ("r9b < 2",)
    assert kind.live_outs == (LiveOut("rax", 8),)


def test_a_long_double_is_said_not_to_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.c"
    path.write_text("long double f(void) { return 1; }\n")
    home = read_input(path)
    kind = home.types.of(home.function("f"))
    assert kind is not None
    with pytest.raises(UnreadableTypeError, match="x87"):
        _ = kind.live_outs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int f(const char *s, unsigned n)", (LiveOut("rax", 4),)),
        ("void f();", ()),
        ("double f(size_t, FILE *)", (LiveOut("xmm0", 8),)),
        ("struct p { long a; float b; }; struct p f(void)", (LiveOut("rax", 8), LiveOut("xmm0", 4))),
        ("uint8_t f(uint64_t x)", (LiveOut("rax", 1),)),
    ],
)
def test_prototypes(text: str, expected: tuple[LiveOut, ...]) -> None:
    assert prototype(text).live_outs == expected


@pytest.mark.parametrize(
    "text", ["int", "int f", "foo f(int)", "", "int f(int) int g(int)", "int f(int x) {"]
)
def test_what_is_no_prototype_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="is not the declaration"):
        prototype(text)


def test_live_outs_are_registers_by_any_name() -> None:
    assert live_outs(["eax", "r8d", "xmm1", "xmm0:4", "al"]) == (
        LiveOut("rax", 4),
        LiveOut("r8", 4),
        LiveOut("xmm1", 16),
        LiveOut("xmm0", 4),
    )
    for wrong in ("foo", "ah", "rax:9", "ymm0", "eax:0"):
        with pytest.raises(UsageError, match=wrong):
            live_outs([wrong])
