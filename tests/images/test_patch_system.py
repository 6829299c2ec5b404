"""Patching and reverting what the system has: every kind of linker output that this machine runs."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from burnish.core.deployment import ObjectCode, Replacement
from burnish.images.elf_layout import PT_INTERP, read_layout
from burnish.images.note import revert
from burnish.images.patch import patch_image
from burnish.images.search_path import SearchPath, dynamic_change

SEED = 20240229
FOLDERS = ("/usr/bin", "/usr/lib/x86_64-linux-gnu")


def system_files(count: int) -> list[Path]:
    """ELF executables and libraries of this machine, by chance with a fixed seed."""
    found: list[Path] = []
    for folder in map(Path, FOLDERS):
        if not folder.is_dir():
            continue
        candidates = sorted(p for p in folder.iterdir() if p.is_file() and not p.is_symlink())
        elf = [p for p in candidates if os.access(p, os.R_OK) and p.read_bytes()[:6] == b"\x7fELF\x02\x01"]
        programs = [
            p for p in elf if p.stat().st_size < 20_000_000 and p.read_bytes()[16:18] in (b"\2\0", b"\3\0")
        ]
        found += random.Random(SEED).sample(programs, min(count // 2, len(programs)))
    return found


def test_patch_and_revert_is_the_identity(tmp_path: Path) -> None:
    files = system_files(60)
    assert len(files) >= 20
    output, back = tmp_path / "patched", tmp_path / "back"
    with_path = 0
    for path in files:
        layout = read_layout(path)
        search = SearchPath("$ORIGIN/none.libs", inherited=True)
        if dynamic_change(layout, search) is None:
            search = None
        with_path += search is not None
        done = patch_image(path, output, [own_entry(path)] if layout.header.entry else [], {}, search)
        assert done.functions or done.refused or not layout.header.entry
        shown = subprocess.run(["readelf", "-lSdnW", output], capture_output=True, text=True, check=False)
        own = subprocess.run(["readelf", "-lSdnW", path], capture_output=True, text=True, check=False)
        assert complaints(shown.stderr) <= complaints(own.stderr), path
        assert "Burnish" in shown.stdout, path
        revert(output, back)
        assert back.read_bytes() == layout.data, path
    assert with_path > len(files) // 2


def complaints(text: str) -> set[str]:
    return {line.split(": ", 1)[-1] for line in text.splitlines() if line}


def own_entry(path: Path) -> Replacement:
    """A replacement of the code at the entry point, so that every kind of edit is made. It is never run."""
    entry = read_layout(path).header.entry
    return Replacement("entry", ObjectCode(stub(), "stub", entry), 16, "retune", "tested")


def stub() -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(
        'target triple = "x86_64-unknown-linux-gnu"\ndefine i64 @stub() uwtable { ret i64 5 }'
    )
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    return target.create_target_machine(reloc="pic", codemodel="small").emit_object(module)


HARMLESS = {
    "awk", "base64", "basename", "bash", "bzip2", "cat", "cmp", "cp", "cut", "date", "dd", "df", "diff", "dirname",
    "du", "env", "expr", "find", "grep", "gzip", "head", "join", "ld", "ls", "make", "md5sum", "nl", "objdump", "od",
    "openssl", "perl", "pr", "printf", "python3.11", "readelf", "sed", "seq", "sha256sum", "sort", "stat", "tail",
    "tar", "tr", "uniq", "wc", "who", "xz", "zstd",
}  # fmt: skip


def test_patched_system_programs_still_run(tmp_path: Path) -> None:
    programs = [p for p in (Path("/usr/bin") / name for name in sorted(HARMLESS)) if p.exists()]
    assert len(programs) >= 20
    for path in programs:
        source = path.resolve()
        if source.read_bytes()[:4] != b"\x7fELF":
            continue
        output = tmp_path / source.name
        search = SearchPath("$ORIGIN/none.libs", inherited=True)
        if dynamic_change(read_layout(source), search) is None:
            search = None
        patch_image(source, output, [], {}, search)
        for argument in ("--version", "--help"):
            expected, found = (
                subprocess.run(
                    [program, argument], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                    timeout=20, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "COLUMNS": "80"},
                )
                for program in (source, output)
            )  # fmt: skip
            assert found.returncode == expected.returncode, (source, found.stderr)
            assert neutral(found.stdout, output) == neutral(expected.stdout, source)
        output.unlink()


def neutral(text: bytes, program: Path) -> bytes:
    return text.replace(str(program).encode(), b"PROGRAM")


def test_patched_system_libraries_still_load(tmp_path: Path) -> None:
    folder = Path("/usr/lib/x86_64-linux-gnu")
    for name, symbol in (
        ("libz.so.1", "zlibVersion"),
        ("libm.so.6", "sqrt"),
        ("libbz2.so.1.0", "BZ2_bzlibVersion"),
    ):
        path = folder / name
        if not path.exists():
            continue
        output = tmp_path / f"copy-{name}"
        patch_image(path.resolve(), output)
        assert hasattr(ctypes.CDLL(str(output)), symbol)
        if shutil.which("ldd"):
            shown = subprocess.run(["ldd", output], capture_output=True, text=True, check=False)
            assert shown.returncode == 0, shown.stderr
            assert "not found" not in shown.stdout


def test_the_c_library_and_the_loader_themselves(tmp_path: Path) -> None:
    """The oddest ELF files of a system: both are programs and libraries at once."""
    folder = Path("/lib/x86_64-linux-gnu")
    if not (folder / "libc.so.6").exists():
        pytest.skip("this system keeps its C library elsewhere")
    output = tmp_path / "libc.so.6"
    patch_image((folder / "libc.so.6").resolve(), output)
    shown = subprocess.run([output], capture_output=True, text=True, check=False)
    assert "GNU C Library" in shown.stdout
    environment = {"LD_LIBRARY_PATH": str(tmp_path)}
    shown = subprocess.run(
        ["/bin/cat", "/proc/self/maps"], env=environment, capture_output=True, text=True, check=False
    )
    assert str(output) in shown.stdout
    loader = next((s for s in read_layout(Path("/bin/cat").resolve()).segments if s.type == PT_INTERP), None)
    assert loader is not None
    name = Path(
        Path("/bin/cat").resolve().read_bytes()[loader.offset : loader.offset + loader.filesz - 1].decode()
    )
    copy = tmp_path / "ld.so"
    patch_image(name.resolve(), copy)
    shown = subprocess.run([copy, "/bin/echo", "hello"], capture_output=True, text=True, check=False)
    assert shown.stdout == "hello\n"
