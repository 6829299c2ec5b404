"""Verdicts on files, and certificates of them: what is claimed is proved again, and what was tampered with is found."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import burnish
from burnish.core.errors import CertificateError, UsageError
from burnish.core.verdict import Proved, Refuted, Tested, Unknown
from burnish.pipeline.judging import Task
from burnish.pipeline.verify import recheck, verify
from burnish.pipeline.verify_inputs import input_of, parts_of
from burnish.pipeline.verify_jobs import judged
from burnish.pipeline.verifying import Accept, FunctionVerdict, VerifyOptions
from burnish.verify.subject import Overrides, read_input

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

ADD = "f:\n  movl (%rdi), %eax\n  addl $1, %eax\n  movl %eax, (%rdi)\n  ret\n"
SAME = "f:\n  incl (%rdi)\n  movl (%rdi), %eax\n  ret\n"
WRONG = "f:\n  incl (%rdi)\n  movl $5, %eax\n  ret\n"
LOOP = """
f:
    xorl %eax, %eax
    testl %esi, %esi
    jle 2f
1:  addl (%rdi), %eax
    addq $4, %rdi
    decl %esi
    jnz 1b
2:  ret
"""
ANOTHER = LOOP.replace("addq $4, %rdi", "leaq 4(%rdi), %rdi").replace("decl %esi", "subl $1, %esi")
EAX = Overrides(live_out=("eax",))
NO_CACHE = VerifyOptions(cache=False, overrides=EAX, timeout_s=60.0)


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of a proof, with a loop."""
    path = tmp_path_factory.mktemp("certificate") / "proof.json"
    options = VerifyOptions(cache=False, overrides=EAX, certificate=path, timeout_s=100.0)
    done = verify(LOOP, ANOTHER, options)
    assert isinstance(done.verdict, Proved), done.functions
    return path


def changed(path: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    data = json.loads(path.read_text())
    change(data)
    target.write_text(json.dumps(data))
    return target


def with_elf(data: dict[str, Any], side: str, text: str) -> None:
    elf = read_input(text).elf
    data[side]["elf"] = base64.b64encode(zlib.compress(elf)).decode()
    data[side]["sha256"] = hashlib.sha256(elf).hexdigest()


def test_verdicts_and_exit_codes() -> None:
    same = verify(ADD, SAME, NO_CACHE)
    assert isinstance(same.verdict, Proved) and same.exit_code == 0
    wrong = verify(ADD, WRONG, NO_CACHE)
    assert isinstance(wrong.verdict, Refuted) and wrong.exit_code == 1
    assert "5" in wrong.verdict.counterexample.differing[0]
    unread = verify(ADD, "f:\n  rdtsc\n  ret\n", NO_CACHE)
    assert isinstance(unread.verdict, Unknown) and unread.exit_code == 3


def test_nothing_weaker_than_asked_for_is_a_success() -> None:
    options = VerifyOptions(cache=False, overrides=EAX, timeout_s=0.02)
    slow = "f:\n  imulq %rdi, %rdi\n  imulq %rsi, %rdi\n  movq %rdi, %rax\n  ret\n"
    other = "f:\n  movq %rsi, %rax\n  imulq %rdi, %rax\n  imulq %rdi, %rax\n  ret\n"
    done = verify(slow, other, options)
    if isinstance(done.verdict, Tested):
        assert done.exit_code == 3
        assert verify(slow, other, replace(options, accept=Accept.TESTED)).exit_code == 0


def test_a_counterexample_runs_again_as_it_is_printed() -> None:
    wrong = verify(ADD, WRONG, NO_CACHE)
    assert isinstance(wrong.verdict, Refuted)
    parts = parts_of(wrong.verdict.counterexample)
    assert parts is not None
    again = VerifyOptions(cache=False, overrides=EAX, replay=input_of(parts))
    assert isinstance(verify(ADD, WRONG, again).verdict, Refuted)
    assert isinstance(verify(ADD, SAME, again).verdict, Unknown)


@pytest.mark.parametrize("part", ["rdq=1", "rdi", "[5]", "[5]=0", "[5]:1=0011", "rdi=x", "", "[x]=00"])
def test_what_is_no_input_is_one_sentence(part: str) -> None:
    with pytest.raises(UsageError, match="is no part of an input"):
        input_of([part])


def test_a_certificate_is_confirmed_without_its_files(proved: Path) -> None:
    done = recheck(proved)
    assert isinstance(done.verdict, Proved) and done.exit_code == 0
    found = claim(json.loads(proved.read_text()))
    assert found["invariants"] and found["query_hashes"] and found["solvers"]


def test_a_certificate_of_a_counterexample_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "refuted.json"
    verify(ADD, WRONG, VerifyOptions(cache=False, overrides=EAX, certificate=path))
    assert recheck(path).exit_code == 1
    mended = changed(path, tmp_path / "mended.json", lambda data: with_elf(data, "rewrite", SAME))
    assert isinstance(recheck(mended).verdict, Unknown)


def claim(data: dict[str, Any]) -> dict[str, Any]:
    return data["claims"][0]


def without_relations(data: dict[str, Any]) -> None:
    for item in claim(data)["invariants"]:
        if "relations" in item:
            item["relations"] = []


def other_code(data: dict[str, Any]) -> None:
    with_elf(data, "rewrite", ANOTHER.replace("4(%rdi), %rdi", "8(%rdi), %rdi"))


def fewer_relations(data: dict[str, Any]) -> None:
    item = claim(data)["invariants"][0]
    item["relations"] = item["relations"][: len(item["relations"]) // 2]


def nonsense(data: dict[str, Any]) -> None:
    claim(data)["invariants"] = [{"kind": "pairing"}]


def another_specification(data: dict[str, Any]) -> None:
    claim(data)["specification"]["live_outs"] = []


def other_options(data: dict[str, Any]) -> None:
    data["overrides"]["live_out"] = ["rax"]


@pytest.mark.parametrize(
    "change",
    [without_relations, other_code, fewer_relations, nonsense, another_specification, other_options],
)
def test_tampering_is_found(proved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    done = recheck(changed(proved, tmp_path / "changed.json", change))
    assert not isinstance(done.verdict, Proved)
    assert done.exit_code in (1, 3)


def test_a_verdict_that_was_changed_is_found(tmp_path: Path) -> None:
    path = tmp_path / "refuted.json"
    verify(ADD, WRONG, VerifyOptions(cache=False, overrides=EAX, certificate=path))
    claimed = changed(
        path, tmp_path / "claimed.json", lambda data: claim(data).update(verdict={"kind": "proved"})
    )
    assert isinstance(recheck(claimed).verdict, Refuted)


def damage(text: str) -> list[tuple[str, str]]:
    data = json.loads(text)
    return [
        ("cut off", text[: len(text) // 2]),
        ("empty", ""),
        ("another document", '{"kind": "something"}'),
        ("a later version", json.dumps({**data, "schema_version": 99})),
        ("no claims", json.dumps({key: value for key, value in data.items() if key != "claims"})),
        ("bytes", json.dumps({**data, "original": {**data["original"], "sha256": "0" * 64}})),
        ("not packed", json.dumps({**data, "original": {**data["original"], "elf": "AAAA"}})),
        ("address", text.replace('"addresses": [\n    65536', '"addresses": [\n    65537')),
    ]


def test_damaged_certificates_are_one_sentence(proved: Path, tmp_path: Path) -> None:
    for name, text in damage(proved.read_text()):
        path = tmp_path / "damaged.json"
        path.write_text(text)
        with pytest.raises(CertificateError) as found:
            recheck(path)
        assert "\n" not in str(found.value), name


@needs_gcc
def test_all_functions_of_two_files_by_several_jobs(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(
        "int plus(int x, int y) { return x + y; }\nint minus(int x, int y) { return x - y; }\n"
        "__attribute__((noipa)) int outer(int x) { return plus(x, 1) * 2; }\n"
    )
    (tmp_path / "b.c").write_text(
        "int plus(int x, int y) { return y - -x; }\nint minus(int x, int y) { return y - x; }\n"
        "__attribute__((noipa)) int outer(int x) { return plus(x, 1) << 1; }\n"
    )
    flags = ("-O1", "-fwrapv", "-fno-inline")
    options = VerifyOptions(cflags=flags, cache=False, jobs=2, certificate=tmp_path / "all.json")
    done = burnish.verify(tmp_path / "a.c", tmp_path / "b.c", cflags=flags, cache=False)
    by_jobs = verify(tmp_path / "a.c", tmp_path / "b.c", options)
    for found in (done, by_jobs):
        kinds = [type(row.verdict) for row in found.functions]
        assert [row.function for row in found.functions] == ["plus", "minus", "outer"]
        assert kinds == [Proved, Refuted, Proved] and found.exit_code == 1
    assert recheck(tmp_path / "all.json").exit_code == 1


def test_a_job_that_dies_costs_one_function() -> None:
    home = read_input("f:\n ret\ng:\n ret\n")
    tasks = [Task((bounds, bounds)) for bounds in home.functions]

    def work(task: Task) -> FunctionVerdict:
        if task.functions[0].name == "f":
            os.kill(os.getpid(), signal.SIGKILL)
        return FunctionVerdict("g", "g", Proved())

    found = dict(judged(tasks, 2, lambda: work))
    assert isinstance(found[1].verdict, Proved)
    assert isinstance(found[0].verdict, Unknown) and "SIGKILL" in found[0].reason


def test_queries_are_written_for_other_tools(tmp_path: Path) -> None:
    verify(ADD, SAME, VerifyOptions(cache=False, overrides=EAX, smt_lib=tmp_path / "queries"))
    files = sorted((tmp_path / "queries").glob("f-*.smt2"))
    assert files
    import z3

    for path in files:
        solver: Any = z3.Solver()
        solver.from_string(path.read_text())
        assert str(solver.check()) in path.name.split("-")[-1]


@needs_gcc
def test_what_may_be_one_thing_refutes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(
        'const char *name(int x) { return x ? "abc" : "def"; }\nint letter(int x) { return "hello_world"[x & 7]; }\n'
    )
    (tmp_path / "b.c").write_text((tmp_path / "a.c").read_text().replace("hello_w", "hello-w"))
    (tmp_path / "c.c").write_text(
        (tmp_path / "a.c").read_text() + 'const char *more(void) { return "more"; }\n'
    )
    linked = ("-O2", "-shared", "-fPIC")
    for other, function, kind in (("b.c", "letter", Refuted), ("c.c", "name", Unknown)):
        options = VerifyOptions(function=function, cflags=linked, cache=False)
        assert isinstance(verify(tmp_path / "a.c", tmp_path / other, options).verdict, kind)


@needs_gcc
def test_recorded_calls_are_tests(tmp_path: Path) -> None:
    """A rewrite that is wrong for one value that only the real run has, and of which solvers know a hash alone."""
    text = (
        "#include <stdio.h>\n#include <stdlib.h>\nstatic long total[4];\n"
        "__attribute__((noipa)) long step(long x) { total[x & 3] += x; return x ODD; }\n"
        'int main(int n, char **v) { printf("%ld\\n", step(atol(v[1]))); }\n'
    )
    (tmp_path / "a.c").write_text(text.replace("ODD", ""))
    factors = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
    value = hashed = 0x123456789ABCD12
    mixing = ""
    for factor in factors:
        hashed = (hashed ^ hashed >> 33) * factor % (1 << 64)
        mixing += f"h ^= h >> 33; h *= {factor:#x};"
    odd = f"+ ({{unsigned long h = x; {mixing} h == {hashed:#x};}})"
    (tmp_path / "b.c").write_text(text.replace("ODD", odd))
    program = tmp_path / "a"
    subprocess.run(["gcc", "-O2", "a.c", "-o", "a"], cwd=tmp_path, check=True)
    recording = tmp_path / "run.burnish"
    burnish.record([program, str(value)], recording, what=["entries"], functions=("step",))
    options = VerifyOptions(function="step", cache=False, tests=8, recording=recording)
    done = verify(program, tmp_path / "b.c", options)
    assert isinstance(done.verdict, Refuted)
    assert done.verdict.counterexample.source == "a captured input"
    same = verify(program, tmp_path / "a.c", options)
    assert isinstance(same.verdict, Proved) and same.functions[0].effort.tests > 1


def test_a_callee_that_cannot_be_read_refutes_nothing() -> None:
    """What the rewrite alone calls may do what the original does itself."""
    original = "f:\n  movl (%rdi), %eax\n  ret\n"
    helper = "  call helper\n  ret\nhelper:\n  vmovd (%rdi), %xmm5\n  vmovd %xmm5, %eax\n  ret\n"
    done = verify(original, f".globl f\n.type helper, @function\nf:\n{helper}", NO_CACHE)
    assert isinstance(done.verdict, Unknown), done.functions
