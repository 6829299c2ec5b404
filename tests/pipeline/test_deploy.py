"""Programs and their libraries deployed together; the judge is the loader, in running processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from burnish.core.deployment import Deployment, Method, ObjectCode, Replacement
from burnish.core.errors import BurnishError, HostError
from burnish.images.note import revert
from burnish.pipeline.deploy import deploy

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to make test programs with")
BZIP2 = Path("/usr/bin/bzip2")
LIBBZ2 = Path("/usr/lib/x86_64-linux-gnu/libbz2.so.1.0")
needs_bzip2 = pytest.mark.skipif(
    not (BZIP2.exists() and LIBBZ2.exists()), reason="no bzip2 with a shared library"
)

DOUBLE = "long deep(long x) { return x * 2; }\n"
DEEP = "define i64 @deep(i64 %x) { %y = mul i64 %x, 1000 ret i64 %y }"
VERSION = """
@text = private constant [9 x i8] c"burnished"
@end = private constant i8 0
define ptr @BZ2_bzlibVersion() { ret ptr @text }
"""


def compile_ir(text: str) -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly('target triple = "x86_64-unknown-linux-gnu"\n' + text)
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    return target.create_target_machine(reloc="pic", codemodel="small").emit_object(module)


def replacement(path: Path, name: str, text: str) -> Replacement:
    shown = subprocess.run(["nm", "-DS", path], capture_output=True, text=True, check=True).stdout
    row = next(line.split() for line in shown.splitlines() if line.split()[-1].split("@")[0] == name)
    return Replacement(
        name, ObjectCode(compile_ir(text), name, int(row[0], 16)), int(row[1], 16), "retune", "tested"
    )


def gcc(*words: str | Path) -> None:
    subprocess.run(["gcc", "-O1", "-w", *words], check=True)


def output_of(command: str, **environment: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return done.stdout + done.stderr


class Tree:
    """``program`` needs ``libouter.so.1``, which needs ``libdeep.so.2``; ``direct`` makes the program need both."""

    def __init__(
        self,
        folder: Path,
        *,
        program: tuple[str, ...] = (),
        outer: tuple[str, ...] = (),
        direct: bool = False,
    ):
        self.folder = folder
        self.deep, self.outer, self.program = (
            folder / "libdeep.so.2",
            folder / "libouter.so.1",
            folder / "program",
        )
        (folder / "deep.c").write_text(DOUBLE)
        (folder / "outer.c").write_text("long deep(long); long outer(long x) { return deep(x) + 1; }")
        more = "deep(x) +" if direct else ""
        (folder / "main.c").write_text(
            "long outer(long); long deep(long); int printf(const char *, ...);\n"
            f'int main(int argc, char **argv) {{ long x = argc; printf("%ld\\n", {more} outer(x)); return 0; }}'
        )
        gcc("-shared", "-fPIC", folder / "deep.c", "-o", self.deep, "-Wl,-soname,libdeep.so.2")
        gcc(
            "-shared",
            "-fPIC",
            folder / "outer.c",
            "-o",
            self.outer,
            "-Wl,-soname,libouter.so.1",
            *outer,
            self.deep,
        )
        libraries = [self.outer, self.deep] if direct else [self.outer, f"-Wl,-rpath-link,{folder}"]
        gcc(folder / "main.c", "-o", self.program, *program, *libraries)

    def deploy(self, name: str = "fast") -> Deployment:
        return deploy(self.program, self.folder / name, {self.deep: [replacement(self.deep, "deep", DEEP)]})


@needs_bzip2
def test_bzip2_runs_with_a_copy_of_its_library(tmp_path: Path) -> None:
    output = tmp_path / "bzip2.fast"
    found = deploy(
        BZIP2,
        output,
        {LIBBZ2: [replacement(LIBBZ2.resolve(), "BZ2_bzlibVersion", VERSION)]},
        {"by": "a test"},
    )
    copy = tmp_path / "bzip2.fast.libs" / "libbz2.so.1.0"
    assert found.method is Method.RPATH
    assert found.environment == {}
    assert [image.path for image in found.images] == [output, copy]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bzip2.fast", "bzip2.fast.libs"]
    assert "Version burnished" in output_of(f"{found.command} --version < /dev/null")
    with subprocess.Popen([output, "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # More than a pipe holds, so that it must have read some; less than a block, so that it writes nothing yet.
        data = os.urandom(200_000)
        process.stdin.write(data)
        process.stdin.flush()
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        process.stdin.close()
        packed = process.stdout.read()
    assert str(copy) in maps
    assert str(LIBBZ2.resolve()) not in maps
    assert subprocess.run([BZIP2, "-dc"], input=packed, capture_output=True, check=True).stdout == data
    for path, original in ((output, BZIP2), (copy, LIBBZ2)):
        back = tmp_path / "back"
        revert(path, back)
        assert back.read_bytes() == original.read_bytes()


@needs_bzip2
def test_moved_together_and_alone(tmp_path: Path) -> None:
    deploy(BZIP2, tmp_path / "fast", {LIBBZ2: [replacement(LIBBZ2.resolve(), "BZ2_bzlibVersion", VERSION)]})
    other = tmp_path / "a folder"
    other.mkdir()
    for name in ("fast", "fast.libs"):
        (tmp_path / name).rename(other / name)
    assert "Version burnished" in output_of(f"'{other}/fast' --version < /dev/null")
    shutil.rmtree(other / "fast.libs")
    shown = output_of(f"'{other}/fast' --version < /dev/null")
    assert "bzip2, a block-sorting file compressor" in shown
    assert "burnished" not in shown


@needs_gcc
def test_executable_alone(tmp_path: Path) -> None:
    (tmp_path / "m.c").write_text(
        "__attribute__((noinline)) long deep(long x) { return x * 2; } int main(int c) { return deep(c + 3); }"
    )
    gcc("-rdynamic", tmp_path / "m.c", "-o", tmp_path / "m")
    text = "define i64 @deep(i64 %x) { %y = mul i64 %x, 10 ret i64 %y }"
    found = deploy(
        tmp_path / "m", tmp_path / "out", {tmp_path / "m": [replacement(tmp_path / "m", "deep", text)]}
    )
    assert found.method is Method.EXECUTABLE
    assert not (tmp_path / "out.libs").exists()
    assert subprocess.run([tmp_path / "m"], check=False).returncode == 8
    assert subprocess.run([tmp_path / "out"], check=False).returncode == 40


@needs_gcc
@pytest.mark.parametrize(
    ("program", "outer", "direct", "method"),
    [
        ((), (), True, Method.RPATH),
        ((), (), False, Method.RPATH),
        (("-Wl,--enable-new-dtags,-rpath,$ORIGIN",), (), True, Method.RUNPATH),
        (
            ("-Wl,--enable-new-dtags,-rpath,$ORIGIN",),
            ("-Wl,--enable-new-dtags,-rpath,$ORIGIN",),
            False,
            Method.PRELOAD,
        ),
        (("-Wl,--disable-new-dtags,-rpath,$ORIGIN",), (), False, Method.RPATH),
        ((), ("-Wl,--enable-new-dtags,-rpath,/none",), False, Method.PRELOAD),
    ],
)
def test_which_way_the_loader_confirms(
    program: tuple[str, ...],
    outer: tuple[str, ...],
    direct: bool,
    method: Method,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = Tree(tmp_path, program=program, outer=outer, direct=direct)
    if "-rpath,$ORIGIN" not in " ".join(program):
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert output_of(str(tree.program)) == ("5\n" if direct else "3\n")
    found = tree.deploy()
    assert found.method is method
    assert output_of(found.command) == ("2001\n" if direct else "1001\n")
    assert bool(found.environment) == (method is Method.PRELOAD)
    assert output_of(str(tree.program)) == ("5\n" if direct else "3\n")


@needs_gcc
def test_runpath_that_hides_the_library_becomes_an_rpath(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deep library is only needed by the other one, so the program's DT_RUNPATH does not reach it."""
    tree = Tree(tmp_path, program=("-Wl,--enable-new-dtags,-rpath,/none",))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    found = tree.deploy()
    assert found.method is Method.RPATH
    shown = output_of(f"readelf -d {found.output}")
    assert "(RPATH)" in shown
    assert "[$ORIGIN/fast.libs:/none]" in shown
    assert output_of(found.command) == "1001\n"


@needs_gcc
def test_no_room_for_a_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "spare-dynamic-tags" not in output_of("ld --help"):
        pytest.skip("this linker cannot leave the spare entries out")
    tree = Tree(tmp_path, program=("-Wl,--spare-dynamic-tags=0",))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    found = tree.deploy()
    assert found.method is Method.PRELOAD
    assert found.command == f"LD_PRELOAD={tmp_path}/fast.libs/libdeep.so.2 {tmp_path}/fast"
    assert output_of(found.command) == "1001\n"


@needs_gcc
def test_library_that_is_loaded_late(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    (tmp_path / "late.c").write_text(
        """
        #include <dlfcn.h>
        #include <stdio.h>
        int main() {
            long (*f)(long) = dlsym(dlopen("libdeep.so.2", RTLD_NOW), "deep");
            printf("%ld\\n", f(4));
        }
        """
    )
    gcc(tmp_path / "late.c", "-o", tmp_path / "late", "-ldl")
    found = deploy(tmp_path / "late", tmp_path / "fast", {tree.deep: [replacement(tree.deep, "deep", DEEP)]})
    assert any("libdeep.so.2 is not loaded at the start" in warning for warning in found.warnings)
    assert output_of(found.command, LD_LIBRARY_PATH=str(tmp_path)) == "4000\n"


@needs_gcc
def test_a_relative_output_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    found = deploy(tree.program, Path("fast"), {tree.deep: [replacement(tree.deep, "deep", DEEP)]})
    assert found.command == "./fast"
    assert output_of(found.command) == "1001\n"


@needs_gcc
@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
@pytest.mark.parametrize("token", ["$ORIGIN", "${ORIGIN}"])
def test_libraries_relative_to_the_original_are_still_found(tags: str, token: str, tmp_path: Path) -> None:
    """Both the program and the outer library search beside themselves; the copies lie in another folder."""
    search = f"-Wl,{tags},-rpath,{token}"
    tree = Tree(tmp_path, program=(search,), outer=(search,), direct=True)
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert output_of(str(tree.program)) == "5\n"
    alone = deploy(tree.program, other / "alone", {})
    assert output_of(alone.command) == "5\n"
    text = "define i64 @outer(i64 %x) { ret i64 7 }"
    for name, patched, expected in (
        ("deep", {tree.deep: [replacement(tree.deep, "deep", DEEP)]}, "2001\n"),
        ("outer", {tree.outer: [replacement(tree.outer, "outer", text)]}, "9\n"),
    ):
        found = deploy(tree.program, other / name, patched)
        assert output_of(found.command) == expected
    copy = other / "outer.libs" / "libouter.so.1"
    assert f"[{tmp_path}]" in output_of(f"readelf -d {copy}")
    back = tmp_path / "back"
    revert(copy, back)
    assert back.read_bytes() == tree.outer.read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@needs_gcc
def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    before = contents(tmp_path)

    def failing(error: BaseException) -> Callable[[Path, Path], Path]:
        real = Path.replace

        def run(self: Path, target: Path) -> Path:
            if Path(target) == tmp_path / "fast":
                raise error
            return real(self, target)

        return run

    for _ in range(2):
        for error, expected in (
            (OSError(28, "No space left on device"), HostError),
            (KeyboardInterrupt(), KeyboardInterrupt),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(Path, "replace", failing(error))
                with pytest.raises(expected):
                    tree.deploy()
            assert contents(tmp_path) == before
            assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
        # The second round fails over what this leaves behind, which must survive.
        tree.deploy()
        before = contents(tmp_path)
        assert "fast.libs/libdeep.so.2" in before


@needs_gcc
def test_what_is_not_ours_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    (tmp_path / "fast.libs").mkdir()
    (tmp_path / "fast.libs" / "mine.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(HostError, match=r"in the way: mine\.txt was not written by Burnish"):
        tree.deploy()
    assert contents(tmp_path) == before
    (tmp_path / "fast.libs" / "mine.txt").unlink()
    tree.deploy()
    first = contents(tmp_path)
    tree.deploy()
    assert contents(tmp_path) == first


@needs_gcc
def test_bad_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    change = {tree.deep: [replacement(tree.deep, "deep", DEEP)]}
    (tmp_path / "s.c").write_text("int main() { return 0; }")
    gcc("-static", tmp_path / "s.c", "-o", tmp_path / "static")
    shutil.copy(tree.deep, tmp_path / "other.so")
    twice = {**change, tmp_path / "other.so": []}
    before = contents(tmp_path)
    requests: tuple[tuple[Path, Path, dict[Path, list[Replacement]], str], ...] = (
        (tmp_path / "static", tmp_path / "out", change, "statically linked"),
        (tree.program, tree.program, change, "is the input"),
        (tree.program, tree.deep, change, "is the input"),
        (tree.program, tmp_path, change, "is a directory"),
        (tree.program, tmp_path / "no" / "out", change, "does not exist"),
        (tree.program, tmp_path / "a:b", change, "cannot stand in a library search path"),
        (tree.program, tmp_path / "out", twice, "are both called libdeep.so.2"),
        (tmp_path / "missing", tmp_path / "out", change, "No such file"),
        (tmp_path / "s.c", tmp_path / "out", change, "not an ELF file"),
        (tree.program, tmp_path / "out", {tmp_path / "s.c": []}, "not an ELF file"),
    )
    for main, output, patched, message in requests:
        with pytest.raises(BurnishError, match=message) as caught:
            deploy(main, output, patched)
        assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
