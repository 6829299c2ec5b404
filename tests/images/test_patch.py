"""Patched copies run, and what is around the new code (headers, notes, unwinding, permissions) stays right.

The judges are the kernel, ld.so, readelf, objdump, gdb and the C library's own unwinder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from burnish.core.code import Reason
from burnish.core.deployment import ObjectCode, PatchedImage, Replacement
from burnish.core.errors import BurnishError, HostError, ImageError, PatchError
from burnish.images.elf_layout import PT_LOAD, PT_PHDR, read_layout
from burnish.images.note import burnish_note, revert
from burnish.images.patch import patch_image
from burnish.images.search_path import SearchPath

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to make test programs with")

PROGRAM = r"""
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int own_table[4] = {1, 10, 100, 1000};
char zeroes[ZEROES];
typedef long callback(long);
__attribute__((noinline)) long compute(long x) { return x * 2 + own_table[x & 3]; }
__attribute__((noinline)) long visit(callback *f, long x) { return f(x) + f(x + 1); }
__attribute__((noinline)) long tiny(void);
long show(long x) {
    void *frames[16];
    int count = backtrace(frames, 16);
    printf("depth %d\n", count);
    return x;
}
int main(int argc, char **argv) {
    printf("%ld %ld\n", compute(atol(argv[1])), visit(labs, -7));
    zeroes[ZEROES - 1] = 1;
    free(malloc(100000));
    if (argc > 2) visit(show, 5);
    return 3;
}
"""

# compute, rebuilt with another constant so that one can tell which of the two ran: it reads the image's own table.
COMPUTE = """
@__burnish_image = external dso_local global i8
define i64 @compute(i64 %x) uwtable {{
  %i = and i64 %x, 3
  %p = getelementptr i8, ptr @__burnish_image, i64 {table}
  %q = getelementptr i32, ptr %p, i64 %i
  %v = load i32, ptr %q
  %w = sext i32 %v to i64
  %y = mul i64 %x, 5000
  %r = add i64 %y, %w
  ret i64 %r
}}
"""

VISIT = """
define i64 @visit(ptr %f, i64 %x) uwtable {
  %a = call i64 %f(i64 %x)
  %y = add i64 %x, 1
  %b = call i64 %f(i64 %y)
  %s = add i64 %a, %b
  %r = add i64 %s, 1000000
  ret i64 %r
}
"""


def compile_ir(text: str) -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly('target triple = "x86_64-unknown-linux-gnu"\n' + text)
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    return target.create_target_machine(opt=3, reloc="pic", codemodel="small").emit_object(module)


def output_of(*command: str | Path, **more: object) -> str:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60, **more
    ).stdout


def build(
    tmp_path: Path, *flags: str, zeroes: int = 5000, source: str = PROGRAM, name: str = "program"
) -> Path:
    path = tmp_path / name
    code = tmp_path / f"{name}.c"
    code.write_text(source)
    command = ["gcc", "-O1", "-w", f"-DZEROES={zeroes}", code, "-o", path, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"gcc cannot build with {' '.join(flags)}: {done.stderr.strip()[-200:]}")
    return path


def symbols(path: Path) -> dict[str, tuple[int, int]]:
    """``(address, size)`` of each symbol, as readelf has it."""
    found: dict[str, tuple[int, int]] = {}
    for line in output_of("readelf", "-sW", path).splitlines():
        words = line.split()
        if len(words) == 8 and words[0][:-1].isdigit() and words[6] != "UND":
            found[words[7]] = (int(words[1], 16), int(words[2], 0))
    return found


def replacement(path: Path, name: str, text: str, size: int | None = None, **more: object) -> Replacement:
    address, own_size = symbols(path)[name]
    code = ObjectCode(compile_ir(text), name, address)
    return Replacement(name, code, own_size if size is None else size, "retune", "tested", **more)  # type: ignore[arg-type]


def compute_and_visit(path: Path) -> list[Replacement]:
    table = symbols(path)["own_table"][0]
    return [
        replacement(path, "compute", COMPUTE.format(table=table)),
        replacement(path, "visit", VISIT),
    ]


KINDS = {
    "pie": ["-pie", "-fPIE"],
    "fixed": ["-no-pie", "-fno-pie"],
    "static": ["-static", "-no-pie", "-fno-pie"],
    "static-pie": ["-static-pie", "-fPIE"],
    "2M-pages": ["-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000"],
    "no-relro": ["-no-pie", "-fno-pie", "-Wl,-z,norelro", "-Wl,-z,noseparate-code"],
    "endbr64": ["-pie", "-fPIE", "-fcf-protection=full"],
    "stripped": ["-pie", "-fPIE"],
    "no-sections": ["-pie", "-fPIE"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_patched_programs_run_the_new_code(kind: str, tmp_path: Path) -> None:
    program = build(tmp_path, *KINDS[kind])
    replacements = compute_and_visit(program)
    if kind == "stripped":
        subprocess.run(["strip", program], check=True)
    if kind == "no-sections":
        data = bytearray(program.read_bytes())
        data[0x28:0x30] = bytes(8)
        data[0x3C:0x40] = bytes(4)
        program.write_bytes(data)
    before = program.read_bytes()
    assert output_of(program, "6") == "112 15\n".replace("15", str(7 + 6))
    output = tmp_path / "patched"
    done = patch_image(program, output, replacements, {"cpu": "this"})
    assert [f.name for f in done.functions] == ["compute", "visit"]
    assert done.refused == ()
    for arguments in ("6", "7"):
        found = subprocess.run([output, arguments], stdout=subprocess.PIPE, text=True, check=False)
        number = int(arguments)
        assert found.stdout == f"{number * 5000 + 10 ** (number & 3)} 1000013\n"
        assert found.returncode == 3
    assert program.read_bytes() == before, "the input was written to"
    assert done.added == output.stat().st_size - len(before)
    check_readable(output, sections=kind != "no-sections")
    back = tmp_path / "back"
    revert(output, back)
    assert back.read_bytes() == before
    assert stat.S_IMODE(back.stat().st_mode) == stat.S_IMODE(program.stat().st_mode)


def check_readable(path: Path, *, sections: bool) -> None:
    """readelf has nothing to complain about, and the note, the segments and the new symbols are seen."""
    done = subprocess.run(["readelf", "-aW", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "rror" in line or "arning" in line] == []
    assert "Burnish" in output_of("readelf", "-nW", path)
    layout = read_layout(path)
    addresses = [s.vaddr for s in layout.segments if s.type == PT_LOAD]
    assert addresses == sorted(addresses)
    for segment in layout.segments:
        if segment.type == PT_PHDR:
            assert segment.offset == layout.header.phoff
            assert segment.vaddr - segment.offset == layout.delta
    if sections:
        shown = output_of("objdump", "-d", "-j", ".burnish.text", "--no-show-raw-insn", path)
        assert "<compute.burnish>:" in shown
        assert "$0x1388" in shown, "objdump does not show the rebuilt code (its constant 5000)"


@pytest.mark.parametrize("zeroes", [100, 5_000_000])
def test_hole_for_zero_initialised_data_is_sparse(zeroes: int, tmp_path: Path) -> None:
    program = build(tmp_path, "-pie", zeroes=zeroes)
    output = tmp_path / "patched"
    patch_image(program, output, compute_and_visit(program))
    assert output_of(output, "1") == "5010 1000013\n"
    status = output.stat()
    assert status.st_size > zeroes
    assert status.st_blocks * 512 < program.stat().st_size + 100_000


def test_too_much_zero_initialised_data(tmp_path: Path) -> None:
    program = build(tmp_path, "-pie", zeroes=2_000_000_000)
    with pytest.raises(PatchError, match="more than a gigabyte"):
        patch_image(program, tmp_path / "patched", compute_and_visit(program))
    assert not (tmp_path / "patched").exists()


def test_endbr64_stays_and_the_rest_of_the_function_too(tmp_path: Path) -> None:
    program = build(tmp_path, "-fcf-protection=full")
    output = tmp_path / "patched"
    done = patch_image(program, output, compute_and_visit(program))
    for function in done.functions:
        offset = function.address  # a PIE whose file offsets are its addresses, in the code segment
        old, new = program.read_bytes(), output.read_bytes()
        assert new[offset : offset + 4] == bytes.fromhex("f30f1efa") == old[offset : offset + 4]
        assert new[offset + 4] == 0xE9
        target = offset + 9 + int.from_bytes(new[offset + 5 : offset + 9], "little", signed=True)
        assert target == function.new_address
        assert new[offset + 9 : offset + function.size] == old[offset + 9 : offset + function.size]


def test_functions_without_room_are_refused(tmp_path: Path) -> None:
    program = build(tmp_path, "-fcf-protection=none")
    address = symbols(program)["visit"][0]
    output = tmp_path / "patched"

    def only(size: int | None = None, *targets: int) -> PatchedImage:
        return patch_image(
            program, output, [replacement(program, "visit", VISIT, size, jump_targets=targets)]
        )

    assert only(5).refused == ()
    assert only(4).refused[0].reason is Reason.TOO_SMALL
    assert only(4).refused[0].address == address
    assert output_of(output, "1") == "12 13\n", "the refused function must still be the old one"
    assert only(None, address, address + 5).refused == ()
    for inside in range(address + 1, address + 5):
        assert only(None, inside).refused[0].reason is Reason.TOO_SMALL


def test_functions_with_endbr64_need_nine_bytes(tmp_path: Path) -> None:
    program = build(tmp_path, "-fcf-protection=full")
    address = symbols(program)["visit"][0]
    output = tmp_path / "patched"
    for size, targets, fits in (
        (9, (), True),
        (8, (), False),
        (30, (address + 4,), True),
        (30, (address + 5,), False),
    ):
        done = patch_image(
            program, output, [replacement(program, "visit", VISIT, size, jump_targets=targets)]
        )
        assert (done.refused == ()) is fits


def test_code_that_does_not_link_is_refused_and_the_rest_kept(tmp_path: Path) -> None:
    program = build(tmp_path)
    bad = replacement(
        program,
        "compute",
        "declare i64 @puts()\ndefine i64 @compute(i64 %x) { %r = tail call i64 @puts() ret i64 %r }",
    )
    output = tmp_path / "patched"
    done = patch_image(program, output, [bad, replacement(program, "visit", VISIT)])
    assert [r.reason for r in done.refused] == [Reason.CODE_GENERATION]
    assert done.refused[0].address == bad.code.address
    assert [f.name for f in done.functions] == ["visit"]
    assert output_of(output, "1") == "12 1000013\n"


def test_overlapping_replacements(tmp_path: Path) -> None:
    program = build(tmp_path)
    one = replacement(program, "visit", VISIT)
    inner = Replacement(
        "inner", ObjectCode(one.code.data, "visit", one.code.address + 2), 20, "retune", "tested"
    )
    done = patch_image(program, tmp_path / "patched", [one, inner, one])
    assert [f.name for f in done.functions] == ["visit"]
    assert len(done.refused) == 2


def test_unwinding_through_rebuilt_code(tmp_path: Path) -> None:
    """backtrace() in a callback must see through the rebuilt function to main and beyond."""
    for flags in (["-pie"], ["-no-pie"], ["-static"]):
        program = build(tmp_path, *flags, "-fasynchronous-unwind-tables")
        expected = output_of(program, "1", "show").splitlines()[1:]
        assert expected
        assert int(expected[0].split()[1]) >= 4
        output = tmp_path / "patched"
        patch_image(program, output, compute_and_visit(program))
        assert output_of(output, "1", "show").splitlines() == ["5010 1000013", *expected]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_exceptions_pass_through_rebuilt_code(tmp_path: Path) -> None:
    source = tmp_path / "throw.cpp"
    source.write_text(
        """
        #include <cstdio>
        extern "C" __attribute__((noinline)) long visit(long (*f)(long), long x) { return f(x) + f(x + 1); }
        long thrower(long x) { if (x > 5) throw x; return x; }
        int main() {
            std::printf("%ld\\n", visit(thrower, 1));
            try { visit(thrower, 5); } catch (long x) { std::printf("caught %ld\\n", x); }
        }
        """
    )
    program = tmp_path / "throw"
    subprocess.run(["g++", "-O1", source, "-o", program], check=True)
    assert output_of(program) == "3\ncaught 6\n"
    output = tmp_path / "patched"
    patch_image(program, output, [replacement(program, "visit", VISIT)])
    assert output_of(output) == "1000003\ncaught 6\n"


@pytest.mark.skipif(shutil.which("gdb") is None, reason="no gdb")
def test_gdb_unwinds_rebuilt_code(tmp_path: Path) -> None:
    program = build(tmp_path, "-pie")
    output = tmp_path / "patched"
    patch_image(program, output, compute_and_visit(program))
    command = ["gdb", "-nx", "-batch", "-ex", "break show", "-ex", "run", "-ex", "backtrace", "--args"]
    shown = output_of(*command, output, "1", "show")
    if "ptrace" in shown or "could not" in shown.lower():
        pytest.skip(f"gdb cannot run programs here: {shown[-200:]}")
    frames = [
        line.split(" in ")[-1].split(" ")[0].lstrip("#0 ")
        for line in shown.splitlines()
        if line.startswith("#")
    ]
    assert frames[:3] == ["show", "visit[burnish]", "main"], shown


def test_shared_library(tmp_path: Path) -> None:
    library = build(
        tmp_path, "-shared", "-fPIC", "-Wl,-soname,libthing.so.1",
        source="long compute(long x) { return x * 2; } long twice(long x) { return compute(compute(x)); }",
        name="libthing.so",
    )  # fmt: skip
    text = "define i64 @compute(i64 %x) { %r = add i64 %x, 1000 ret i64 %r }"
    output = tmp_path / "copy" / "libthing.so"
    output.parent.mkdir()
    patch_image(library, output, [replacement(library, "compute", text)])
    code = f"import ctypes; print(ctypes.CDLL({str(output)!r}).compute(5), ctypes.CDLL({str(output)!r}).twice(5))"
    assert output_of(sys.executable, "-c", code).split() == ["1005", "2005"]


def test_a_patch_on_top_of_a_patch(tmp_path: Path) -> None:
    program = build(tmp_path)
    first, second, back = tmp_path / "first", tmp_path / "second", tmp_path / "back"
    compute, visit = compute_and_visit(program)
    patch_image(program, first, [compute])
    patch_image(first, second, [visit])
    assert output_of(second, "1") == "5010 1000013\n"
    check_readable(second, sections=True)
    again = tmp_path / "again"
    other = "define i64 @compute(i64 %x) { ret i64 77 }"
    patch_image(second, again, [replacement(program, "compute", other)])
    assert output_of(again, "1") == "77 1000013\n"
    revert(second, back)
    assert back.read_bytes() == first.read_bytes()
    revert(first, back)
    assert back.read_bytes() == program.read_bytes()


def test_the_note_says_what_was_done(tmp_path: Path) -> None:
    program = build(tmp_path)
    output = tmp_path / "patched"
    done = patch_image(program, output, compute_and_visit(program), {"command": ["x", "ü"]})
    note = burnish_note(read_layout(output))
    assert note is not None
    data = program.read_bytes()
    assert note["schema_version"] == 1
    assert note["input"] == {"name": "program", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert note["run"] == {"command": ["x", "ü"]}
    rows = json.loads(json.dumps(note["functions"]))
    assert [(r["name"], r["address"], r["new_address"], r["strategy"], r["verdict"]) for r in rows] == [
        (f.name, f.address, f.new_address, "retune", "tested") for f in done.functions
    ]
    assert burnish_note(read_layout(program)) is None


def test_same_input_same_bytes(tmp_path: Path) -> None:
    program = build(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    for output in (one, two):
        patch_image(program, output, compute_and_visit(program))
    assert one.read_bytes() == two.read_bytes()


def test_search_path_is_added_before_what_was_there(tmp_path: Path) -> None:
    for flags, inherited, expected in (
        ([], True, "RPATH [$ORIGIN/x.libs]"),
        ([], False, "RUNPATH [$ORIGIN/x.libs]"),
        (["-Wl,--enable-new-dtags,-rpath,/old"], False, "RUNPATH [$ORIGIN/x.libs:/old]"),
        (["-Wl,--enable-new-dtags,-rpath,/old"], True, "RPATH [$ORIGIN/x.libs:/old]"),
        (["-Wl,--disable-new-dtags,-rpath,/old"], False, "RPATH [$ORIGIN/x.libs:/old]"),
    ):
        program = build(tmp_path, *flags)
        output = tmp_path / "patched"
        search = SearchPath("$ORIGIN/x.libs", inherited)
        patch_image(program, output, compute_and_visit(program), search_path=search)
        assert output_of(output, "1") == "5010 1000013\n"
        lines = [line for line in output_of("readelf", "-dW", output).splitlines() if "PATH)" in line]
        assert len(lines) == 1
        kind, _, text = lines[0].partition(")")
        assert f"{kind.split('(')[1]} {text.split(': ')[1]}" == expected
        check_readable(output, sections=True)
        back = tmp_path / "back"
        revert(output, back)
        assert back.read_bytes() == program.read_bytes()


def test_search_path_without_room(tmp_path: Path) -> None:
    program = build(tmp_path, "-Wl,--spare-dynamic-tags=0") if _spare_tags() else build(tmp_path)
    with pytest.raises(PatchError, match="no room"):
        patch_image(program, tmp_path / "patched", search_path=SearchPath("$ORIGIN/x", inherited=True))
    static = build(tmp_path, "-static")
    with pytest.raises(PatchError, match="no room"):
        patch_image(static, tmp_path / "patched", search_path=SearchPath("$ORIGIN/x", inherited=True))
    assert not (tmp_path / "patched").exists()


def _spare_tags() -> bool:
    return "spare-dynamic-tags" in output_of("ld", "--help")


def test_permissions(tmp_path: Path) -> None:
    program = build(tmp_path)
    output = tmp_path / "patched"
    for mode, kept in ((0o755, 0o755), (0o750, 0o750), (0o555, 0o555), (0o4755, 0o755), (0o2711, 0o711)):
        program.chmod(mode)
        done = patch_image(program, output)
        assert stat.S_IMODE(output.stat().st_mode) == kept
        assert bool(done.warnings) == (mode != kept)
        back = tmp_path / "back"
        revert(output, back)
        assert stat.S_IMODE(back.stat().st_mode) == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_is_kept_where_that_is_permitted(tmp_path: Path) -> None:
    program = build(tmp_path)
    os.chown(program, 12345, 23456)
    output = tmp_path / "patched"
    patch_image(program, output)
    assert (output.stat().st_uid, output.stat().st_gid) == (12345, 23456)


def test_output_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    before = program.read_bytes()
    link = folder / "link"
    link.symlink_to(program)
    hard = folder / "hard"
    hard.hardlink_to(program)
    for output, message in (
        (program, "is the input"),
        (link, "is the input"),
        (hard, "is the input"),
        (folder, "is a directory"),
        (tmp_path / "none" / "x", "does not exist"),
        (Path("/dev/null"), "not a regular file"),
    ):
        with pytest.raises(HostError, match=message) as caught:
            patch_image(program, output)
        assert str(caught.value).count("\n") == 0
    link.unlink()
    hard.unlink()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    output = folder / "out"
    output.write_text("what was there")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(HostError, match="No space left on device"):
            patch_image(program, output)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            patch_image(program, output)
    assert [p.name for p in folder.iterdir()] == ["out"], "something was left behind"
    assert output.read_text() == "what was there"
    assert program.read_bytes() == before


def test_file_size_limit(tmp_path: Path) -> None:
    """A real failure of write(2), as a full disk gives it."""
    program = build(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(HostError, match="File too large"):
            patch_image(program, folder / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: b"#!/bin/sh\n", "not an ELF file"),
        (lambda data: data[:40], "truncated"),
        (lambda data: data[:300], "truncated"),
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[:4] + b"\1" + data[5:], "not a 64-bit x86-64"),
        (lambda data: data[:18] + b"\xb7\0" + data[20:], "not a 64-bit x86-64"),
        (lambda data: data[:16] + b"\1\0" + data[18:], "neither an executable nor"),
        (lambda data: data[:16] + b"\4\0" + data[18:], "neither an executable nor"),
    ],
)
def test_what_is_not_a_program(make: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(make(Path("/bin/true").read_bytes()))
    with pytest.raises(ImageError, match=message):
        patch_image(path, tmp_path / "out")
    with pytest.raises(BurnishError):
        revert(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_input(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        patch_image(tmp_path / "none", tmp_path / "out")


def test_revert_of_other_files(tmp_path: Path) -> None:
    program = build(tmp_path)
    with pytest.raises(PatchError, match="no note of Burnish"):
        revert(program, tmp_path / "back")
    output = tmp_path / "patched"
    patch_image(program, output, compute_and_visit(program))
    data = bytearray(output.read_bytes())
    data[symbols(program)["main"][0] + 3] ^= 1
    output.write_bytes(data)
    with pytest.raises(PatchError, match="was changed after Burnish wrote it"):
        revert(output, tmp_path / "back")
    patch_image(program, output, compute_and_visit(program))
    subprocess.run(["strip", output], check=False, capture_output=True)
    with pytest.raises(PatchError):
        revert(output, tmp_path / "back")
    assert not (tmp_path / "back").exists()
