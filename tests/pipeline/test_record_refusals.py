"""What cannot be recorded is refused in one sentence, before it is run, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.core.errors import BurnishError, ImageError, TargetError
from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recordable import check_recordable
from burnish.pipeline.recording import RecordOptions
from burnish.record import store

HOT = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline, noclone)) long stir(long x) { for (int i = 0; i < 50; i++) x = x * 31 + i % 7; return x; }
int main(int argc, char **argv) {
    long x = 1;
    for (long i = argc > 1 ? atol(argv[1]) : 100; i > 0; i--) x = stir(x + i);
    printf("%ld\\n", x);
    return 0;
}
"""
SETS_GS = """
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
static long place[512];
int main(void) { return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, place); }
"""
RAW_GS = """
static long place[512];
int main(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(158), "D"(0x1001), "S"(place) : "rcx", "r11", "memory");
    return (int)result;
}
"""
WRITES_GS = 'int main(void) { __asm__ volatile("wrgsbase %0" : : "r"(0L)); return 0; }'


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("stirs", HOT)


def refusal(program: Path, folder: Path, kind: type[BurnishError]) -> str:
    """The sentence; checks that nothing is left behind, and that it was not run: it would print."""
    before = sorted(folder.iterdir())
    with pytest.raises(kind) as caught:
        record(RecordOptions(str(program), (), folder / "r", functions=("stir",)))
    assert caught.value.exit_code == 2
    assert sorted(folder.iterdir()) == before
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("-static",), "statically linked"),
        (("-static-pie",), "statically linked"),
        (("-shared", "-fPIC"), "shared library"),
        (("-c",), "neither an executable nor a shared library"),
        (("-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1",), "ld-musl"),
    ],
)
def test_files_that_are_no_programs_of_ours(
    build: Callable[..., Path], tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    program = build("odd", HOT, *flags)
    program.chmod(0o755)
    assert words in refusal(program, tmp_path, ImageError)


def test_programs_of_another_width(program: Path, tmp_path: Path) -> None:
    data = bytearray(program.read_bytes())
    data[4], data[18] = 1, 3  # ELFCLASS32, EM_386
    narrow = tmp_path / "narrow"
    narrow.write_bytes(data)
    narrow.chmod(0o755)
    assert "32-bit x86" in refusal(narrow, tmp_path, ImageError)


@pytest.mark.parametrize("text", [SETS_GS, RAW_GS, WRITES_GS])
def test_programs_that_use_gs_themselves(build: Callable[..., Path], tmp_path: Path, text: str) -> None:
    assert "uses the segment register gs itself" in refusal(build("gs", text), tmp_path, ImageError)


def test_the_programs_of_this_machine_do_not_use_gs() -> None:
    """The search for code that sets gs has no false alarms where there is nothing to find."""
    names = ("gzip", "xz", "bash", "perl", "gcc", "ld", "openssl", "sqlite3", "lua5.4", "git", "tar", "make")
    found = [Path(path) for name in names if (path := shutil.which(name)) is not None]
    checked = 0
    for path in found:
        if path.read_bytes()[:4] == b"\x7fELF":
            check_recordable(path, path.name)
            checked += 1
    assert checked >= 3


def test_scripts_are_told_from_programs(program: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\nexec {program}\n")
    script.chmod(0o755)
    text = refusal(script, tmp_path, ImageError)
    assert "is a script" in text
    assert f"burnish record -- /bin/sh {script}" in text


def test_programs_that_get_privileges(program: Path, tmp_path: Path) -> None:
    copy = tmp_path / "privileged"
    shutil.copy(program, copy)
    if os.statvfs(copy).f_flag & os.ST_NOSUID:
        pytest.skip("needs a file system where set-user-ID works")
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a program that belongs to somebody else")
    os.chown(copy, 1234, 1234)
    copy.chmod(0o755 | stat.S_ISUID)
    assert "set-user-ID" in refusal(copy, tmp_path, TargetError)
    copy.chmod(0o755 | stat.S_ISGID)
    assert "set-group-ID" in refusal(copy, tmp_path, TargetError)
    os.chown(copy, 0, 0)  # it gets what it has already
    copy.chmod(0o755 | stat.S_ISUID)
    done = record(RecordOptions(str(copy), ("7",), tmp_path / "r", functions=("stir",)))
    assert done.open().blocks.num_rows > 0


def as_user(words: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command whose user may not do what permissions forbid, not even as root."""
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, or a user that is not root")
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *words]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)


def test_files_and_folders_without_permission(program: Path, tmp_path: Path) -> None:
    burnish = [sys.executable, "-m", "burnish", "record"]
    secret, plain, shut = tmp_path / "secret", tmp_path / "plain", tmp_path / "shut"
    shutil.copy(program, secret)
    secret.chmod(0o111)
    shutil.copy(program, plain)
    plain.chmod(0o644)
    shut.mkdir()
    shut.chmod(0o555)
    for words, said in (
        (["-o", tmp_path / "r", "--", secret], "secret cannot be read: permission denied"),
        (["-o", tmp_path / "r", "--", plain], "plain is not executable; chmod +x makes it so"),
        (["-o", shut / "r", "-f", "stir", "--", program], "cannot be written: Permission denied"),
        (["-o", tmp_path / "no" / "r", "-f", "stir", "--", program], "no does not exist"),
    ):
        done = as_user([*burnish, *words], tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert list(shut.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "secret", "shut"]


def test_a_full_disk_names_the_recording(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 512)  # so that it is full before the run is over
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(BurnishError) as caught:
            what = (What.EDGES, What.BLOCKS)
            record(RecordOptions(str(program), ("3000000",), folder / "r", what, ("stir",)))
        assert str(caught.value) == f"{folder / 'r'} cannot be written: No space left on device."
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
