"""Linked code runs on this machine's CPU and is compared with what Python says."""

from __future__ import annotations

import ctypes
import mmap
import random
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import pytest

from burnish.core.deployment import LinkedCode, ObjectCode
from burnish.core.errors import LinkError
from burnish.images.link import Layout, address_symbol, image_resolver, link
from burnish.images.memory_functions import memory_functions

TRIPLE = 'target triple = "x86_64-unknown-linux-gnu"\n'


def compile_ir(
    text: str, *, level: int = 3, cpu: str = "x86-64", model: str = "small", pic: bool = True
) -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    module = llvm.parse_assembly(TRIPLE + text)
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    machine = target.create_target_machine(
        cpu=cpu, opt=level, reloc="pic" if pic else "static", codemodel=model
    )
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return machine.emit_object(module)


class Placed:
    """Objects linked into executable memory of this process, over an image of bytes that lies before them.

    Image address 0 is the start of the memory; the code is at 1 MiB.
    """

    SIZE, CODE = 1 << 21, 1 << 20

    def __init__(self, *objects: ObjectCode, image: bytes = b"") -> None:
        self.memory = mmap.mmap(-1, self.SIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.memory[: len(image)] = image
        self.linked: LinkedCode = link(objects, self.base + self.CODE, image_resolver(self.base))
        self.memory[self.CODE : self.CODE + len(self.linked.data)] = self.linked.data

    def function(self, symbol: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        run = ctypes.CFUNCTYPE(result, *arguments)(self.linked.symbols[symbol])
        # Whoever holds the function holds the memory that it lies in.
        return lambda *values, _memory=self: run(*values)


def test_data_of_the_image_and_calls_out() -> None:
    image = bytearray(4096)
    struct.pack_into("<q", image, 0x40, 5000)
    callee = compile_ir("define i64 @callee(i64 %x) { %y = mul i64 %x, 3  ret i64 %y }")
    image[0x800:0x840] = link([ObjectCode(callee, "callee", 0)], 0x800, image_resolver()).data[:0x40]
    caller = compile_ir(
        """
        @__burnish_image = external dso_local global i8
        declare i64 @__burnish_at_800(i64)
        define i64 @caller(i64 %x) {
          %p = getelementptr i8, ptr @__burnish_image, i64 64
          %v = load i64, ptr %p
          %c = call i64 @__burnish_at_800(i64 %x)
          %s = add i64 %c, %v
          store i64 %s, ptr %p
          ret i64 %s
        }
        define i64 @unused(i64 %x) { %r = tail call i64 @__burnish_at_800(i64 %x)  ret i64 %r }
        """
    )
    placed = Placed(ObjectCode(caller, "caller", 0x100), image=bytes(image))
    run = placed.function("caller", ctypes.c_int64, ctypes.c_int64)
    assert run(7) == 5021
    assert run(-1) == 5018
    assert struct.unpack_from("<q", placed.memory, 0x40) == (5018,)


def test_calls_between_replaced_functions_are_direct() -> None:
    first = compile_ir(
        """
        declare i64 @__burnish_at_500(i64)
        define i64 @first(i64 %x) { %r = call i64 @__burnish_at_500(i64 %x) %s = add i64 %r, 1 ret i64 %s }
        """
    )
    second = compile_ir("define i64 @second(i64 %x) { %r = shl i64 %x, 4  ret i64 %r }")
    # The image holds nothing that could run at 0x500, so a call that went there would crash.
    placed = Placed(
        ObjectCode(first, "first", 0x300), ObjectCode(second, "second", 0x500), image=b"\xf4" * 4096
    )
    assert placed.function("first", ctypes.c_int64, ctypes.c_int64)(5) == 81
    assert placed.linked.entry(0x500) == placed.linked.symbols["second"]
    with pytest.raises(KeyError):
        placed.linked.entry(0x501)


def test_jump_table() -> None:
    cases = "\n".join(f"i64 {k}, label %c{k}" for k in range(12))
    # Distinct inline assembly keeps the compiler from making a lookup table out of the switch.
    blocks = "\n".join(
        f'c{k}:\n  %v{k} = call i64 asm sideeffect "leaq {k * 9 + 1}($1), $0", "=r,r"(i64 %x)\n  ret i64 %v{k}'
        for k in range(12)
    )
    data = compile_ir(
        f"define i64 @pick(i64 %x) {{\n switch i64 %x, label %d [ {cases} ]\n{blocks}\nd: ret i64 -1 }}"
    )
    assert b".rodata" in data
    run = Placed(ObjectCode(data, "pick", 0)).function("pick", ctypes.c_int64, ctypes.c_int64)
    assert [run(k) for k in range(12)] == [k + k * 9 + 1 for k in range(12)]
    assert run(12) == -1
    assert run(-5) == -1


@pytest.mark.parametrize("cpu", ["x86-64", "native"])
def test_vectorised_loop_with_constant_pools(cpu: str) -> None:
    cpu = llvm.get_host_cpu_name() if cpu == "native" else cpu
    data = compile_ir(
        """
        define i32 @mix(ptr noalias %p, i64 %n) {
        entry: br label %loop
        loop:
          %i = phi i64 [ 0, %entry ], [ %j, %loop ]
          %s = phi i32 [ 0, %entry ], [ %t, %loop ]
          %q = getelementptr i32, ptr %p, i64 %i
          %v = load i32, ptr %q
          %k = trunc i64 %i to i32
          %w = mul i32 %v, 2654435761
          %x = xor i32 %w, %k
          %m = and i32 %x, 252645135
          store i32 %m, ptr %q
          %t = add i32 %s, %m
          %j = add i64 %i, 1
          %e = icmp ult i64 %j, %n
          br i1 %e, label %loop, label %done
        done: ret i32 %t
        }
        """,
        cpu=cpu,
    )
    assert b".rodata.cst" in data, "the compiler made no vector constants, so this tests nothing"
    placed = Placed(ObjectCode(data, "mix", 0))
    run = placed.function("mix", ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int64)
    for count in (1, 7, 64, 1003):
        values = [random.Random(count).getrandbits(32) for _ in range(count)]
        array = (ctypes.c_uint32 * count)(*values)
        expected = [((v * 2654435761 & 0xFFFFFFFF) ^ i) & 252645135 for i, v in enumerate(values)]
        assert run(array, count) == sum(expected) & 0xFFFFFFFF
        assert list(array) == expected


def test_loads_and_calls_through_the_got_become_direct() -> None:
    image = bytearray(4096)
    struct.pack_into("<q", image, 0x40, 41)
    callee = compile_ir("define i64 @callee(i64 %x) { %y = add i64 %x, 1  ret i64 %y }")
    image[0x800:0x840] = link([ObjectCode(callee, "callee", 0)], 0x800, image_resolver()).data[:0x40]
    data = compile_ir(
        """
        @__burnish_at_40 = external global i64
        declare i64 @__burnish_at_800(i64) nonlazybind
        define i64 @caller() {
          %v = load i64, ptr @__burnish_at_40
          %r = call i64 @__burnish_at_800(i64 %v)
          %s = add i64 %r, 0
          store i64 %s, ptr @__burnish_at_40
          ret i64 %s
        }
        """
    )
    kinds = _relocation_kinds(data)
    assert {"R_X86_64_REX_GOTPCRELX", "R_X86_64_GOTPCRELX"} <= kinds
    placed = Placed(ObjectCode(data, "caller", 0x100), image=bytes(image))
    assert placed.function("caller", ctypes.c_int64)() == 42


def test_tail_call_through_the_got() -> None:
    callee = link(
        [ObjectCode(compile_ir("define i64 @c(i64 %x) { %y = add i64 %x, 1  ret i64 %y }"), "c", 0)],
        0x800,
        image_resolver(),
    )
    data = compile_ir(
        """
        declare i64 @__burnish_at_800(i64) nonlazybind
        define i64 @tail(i64 %x) { %r = tail call i64 @__burnish_at_800(i64 %x)  ret i64 %r }
        """
    )
    assert "R_X86_64_GOTPCRELX" in _relocation_kinds(data)
    placed = Placed(ObjectCode(data, "tail", 0x100), image=bytes(0x800) + callee.data[:64])
    assert placed.function("tail", ctypes.c_int64, ctypes.c_int64)(9) == 10


def _relocation_kinds(data: bytes) -> set[str]:
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(data)
        file.flush()
        text = subprocess.run(
            ["readelf", "-rW", file.name], stdout=subprocess.PIPE, check=True, text=True
        ).stdout
    return {word for word in text.split() if word.startswith("R_X86_64_")}


@pytest.fixture(scope="module")
def memory() -> Placed:
    """An object that refers to each memory function, so that the linker adds its own."""
    names = {"memcpy": "ptr", "memmove": "ptr", "memset": "ptr", "memcmp": "i32", "bcmp": "i32"}
    text = "".join(
        f"declare {result} @{name}(ptr, {'i32' if name == 'memset' else 'ptr'}, i64) nounwind\n"
        for name, result in names.items()
    )
    parts = []
    for name, result in names.items():
        second = "i32" if name == "memset" else "ptr"
        body = f"%r = tail call {result} @{name}(ptr %a, {second} %b, i64 %n) ret {result} %r"
        source = f"{text}define {result} @my_{name}(ptr %a, {second} %b, i64 %n) {{ {body} }}"
        parts.append(ObjectCode(compile_ir(source), f"my_{name}", len(parts)))
    return Placed(*parts)


LENGTHS = [*range(70), 127, 128, 129, 1000, 4097]


def test_memory_functions_copy(memory: Placed) -> None:
    void, word = ctypes.c_void_p, ctypes.c_int64
    generator = random.Random(1)
    for name in ("memcpy", "memmove"):
        run = memory.function(f"my_{name}", void, void, void, word)
        for length in LENGTHS:
            for distance in [0, 1, 3, 8, 15, 16, 31, 33, length] if name == "memmove" else [length + 1]:
                for source, target in ((64, 64 + distance), (64 + distance, 64)):
                    before = generator.randbytes(2 * length + distance + 256)
                    buffer = ctypes.create_string_buffer(before, len(before))
                    base = ctypes.addressof(buffer)
                    assert run(base + target, base + source, length) == base + target
                    expected = bytearray(before)
                    expected[target : target + length] = before[source : source + length]
                    assert buffer.raw == expected, (name, length, source, target)


def test_memory_functions_set(memory: Placed) -> None:
    run = memory.function("my_memset", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
    for length in LENGTHS:
        for value in (0, 0x80, 0x1FF, -1):
            before = random.Random(length).randbytes(length + 64)
            buffer = ctypes.create_string_buffer(before, len(before))
            assert run(ctypes.addressof(buffer) + 32, value, length) == ctypes.addressof(buffer) + 32
            assert buffer.raw == before[:32] + bytes([value & 255]) * length + before[32 + length :]


def test_memory_functions_compare(memory: Placed) -> None:
    types = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    memcmp, bcmp = memory.function("my_memcmp", *types), memory.function("my_bcmp", *types)
    generator = random.Random(2)
    for length in LENGTHS[:60]:
        for position in [*range(length), None]:
            first = generator.randbytes(length)
            second = bytearray(first)
            if position is not None:
                second[position] = (second[position] + generator.randrange(1, 256)) & 255
                # What follows the first difference must not matter.
                second[position + 1 :] = generator.randbytes(length - position - 1)
            one = ctypes.create_string_buffer(first, length + 1)
            # The byte behind differs, and must not matter either.
            two = ctypes.create_string_buffer(bytes(second) + b"\1", length + 1)
            found = memcmp(ctypes.addressof(one), ctypes.addressof(two), length)
            assert (found > 0) - (found < 0) == (first > bytes(second)) - (first < bytes(second))
            assert (bcmp(ctypes.addressof(one), ctypes.addressof(two), length) == 0) == (first == second)


def test_memory_functions_stay_inside_their_operands(memory: Placed) -> None:
    """Operands that end at an inaccessible page."""
    libc = ctypes.CDLL(None, use_errno=True)
    pages = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    assert libc.mprotect(ctypes.c_void_p(base + mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
    void, word = ctypes.c_void_p, ctypes.c_int64
    copy, fill = (
        memory.function(f"my_{n}", void, void, k, word) for n, k in (("memcpy", void), ("memset", word))
    )
    compare = memory.function("my_memcmp", ctypes.c_int, void, void, word)
    end = base + mmap.PAGESIZE
    for length in LENGTHS[:70]:
        fill(end - length, 7, length)
        copy(base, end - length, length)
        copy(end - length, base, length)
        assert compare(base, end - length, length) == 0


def test_memory_functions_are_left_out_when_not_needed() -> None:
    plain = link([ObjectCode(compile_ir("define void @f() { ret void }"), "f", 0)], 0, image_resolver())
    assert plain.text_size < 16


def test_the_callers_memory_function_is_preferred() -> None:
    data = compile_ir(
        """
        declare void @memcpy(ptr, ptr, i64)
        define void @f(ptr %a) { call void @memcpy(ptr %a, ptr %a, i64 9) ret void }
        """
    )
    code = link([ObjectCode(data, "f", 0)], 0x1000, lambda name: 0x5000 if name == "memcpy" else None)
    calls = [i for i in range(code.text_size) if code.data[i] in (0xE8, 0xE9)]
    targets = {
        0x1000 + i + 5 + struct.unpack_from("<i", code.data, i + 1)[0]
        for i in calls
        if i + 5 < len(code.data)
    }
    assert 0x5000 in targets


UNWOUND = """
declare i64 @__burnish_at_500(i64)
define i64 @{name}(i64 %x) uwtable {{
  %a = alloca i64
  store volatile i64 %x, ptr %a
  %r = call i64 @__burnish_at_500(i64 %x)
  %v = load volatile i64, ptr %a
  %s = add i64 %r, %v
  ret i64 %s
}}
"""


def test_unwind_records_describe_each_function() -> None:
    objects = [ObjectCode(compile_ir(UNWOUND.format(name=f"f{k}")), f"f{k}", k) for k in range(3)]
    linked = link(objects, 0x40000, image_resolver())
    assert [(f.start, f.size) for f in linked.frames] == [(f.address, f.size) for f in linked.functions]
    for frame in linked.frames:
        assert linked.frames_offset <= frame.record - linked.address < len(linked.data)
    assert linked.data[-4:] == bytes(4)


def test_size_is_known_before_the_address() -> None:
    objects = [ObjectCode(compile_ir(UNWOUND.format(name="f")), "f", 0x10)]
    layout = Layout.of(objects)
    for address in (0x40000, 0x7F0040):
        placed = layout.place(address, image_resolver())
        assert len(placed.data) == layout.size
        assert placed.text_size == layout.text_size


def test_non_pic_objects_only_at_their_final_address() -> None:
    text = "@__burnish_at_400100 = external dso_local global i64\ndefine ptr @f() { ret ptr @__burnish_at_400100 }"
    data = compile_ir(text, pic=False)
    assert _relocation_kinds(data) & {"R_X86_64_32", "R_X86_64_32S", "R_X86_64_64"}
    fixed = link([ObjectCode(data, "f", 0)], 0x500000, image_resolver())
    assert struct.pack("<I", 0x400100) in fixed.data[: fixed.text_size]
    with pytest.raises(LinkError, match="absolute address"):
        link([ObjectCode(data, "f", 0)], 0x500000, image_resolver(), relocated=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("declare void @puts()\ndefine void @f() { call void @puts() ret void }", "puts, which is unknown"),
        ("@g = global i64 5\ndefine ptr @f() { ret ptr @g }", "writable data of its own in section .data"),
        ("@g = global i64 0\ndefine ptr @f() { ret ptr @g }", "writable data of its own in section .bss"),
        (
            "@t = external thread_local global i64\ndefine i64 @f() { %v = load i64, ptr @t ret i64 %v }",
            "unknown|not supported",
        ),
        ("define void @g() { ret void }", "does not define f"),
        ("declare void @f()\ndefine void @g() { call void @f() ret void }", "does not define f"),
        (
            "define internal void @f() { ret void }\n@llvm.used = appending global [1 x ptr] [ptr @f]",
            "does not define f",
        ),
    ],
)
def test_what_cannot_be_linked_is_an_error_with_its_function(text: str, message: str) -> None:
    with pytest.raises(LinkError, match=message) as caught:
        link([ObjectCode(compile_ir(text), "f", 0x1234)], 0x10000, image_resolver(), relocated=True)
    assert caught.value.address == 0x1234


def test_out_of_reach() -> None:
    data = compile_ir(
        "declare void @__burnish_at_0()\ndefine void @f() { call void @__burnish_at_0() ret void }"
    )
    code = [ObjectCode(data, "f", 0x77)]
    link(code, (1 << 31) - 64, image_resolver())
    with pytest.raises(LinkError, match="out of reach") as caught:
        link(code, 1 << 32, image_resolver())
    assert caught.value.address == 0x77


def test_two_objects_for_one_address() -> None:
    data = compile_ir("define void @f() { ret void }")
    with pytest.raises(LinkError, match="two objects"):
        link([ObjectCode(data, "f", 8), ObjectCode(data, "f", 8)], 0, image_resolver())


def test_misaligned_address() -> None:
    data = compile_ir("define void @f() { ret void }")
    with pytest.raises(LinkError, match="multiple of 64"):
        link([ObjectCode(data, "f", 8)], 0x10008, image_resolver())


def test_malformed_objects_never_raise_anything_else() -> None:
    good = memory_functions()
    generator = random.Random(3)
    refused = 0
    for _ in range(1500):
        bad = bytearray(good)
        for _ in range(generator.randrange(1, 4)):
            bad[generator.randrange(len(bad))] = generator.randrange(256)
        data = bytes(bad[: generator.choice([len(bad), generator.randrange(len(bad))])])
        try:
            link([ObjectCode(data, "memcpy", 0)], 0, image_resolver())
        except LinkError:
            refused += 1
    assert refused > 500
    for data in (b"", b"\x7fELF", Path("/bin/true").read_bytes()):
        with pytest.raises(LinkError):
            link([ObjectCode(data, "memcpy", 0)], 0, image_resolver())


def test_resolver_knows_only_the_contract() -> None:
    resolve = image_resolver(0x1000)
    assert resolve(address_symbol(0xABC)) == 0x1ABC
    assert resolve("__burnish_image") == 0x1000
    for name in ("__burnish_at_", "__burnish_at_0xAB", "__burnish_at_12g", "__burnish_at_1 ", "memcpy"):
        assert resolve(name) is None
