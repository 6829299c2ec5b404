"""Pairs of functions of real files: what their addresses and calls are taken for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from burnish.core.errors import FunctionNotFoundError, ImageError, UsageError
from burnish.core.verdict import Unknown
from burnish.verify.pair import Pair, Side
from burnish.verify.subject import Input, Overrides, choose_functions, read_input, read_pair

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

SOURCE = """
#include <stdio.h>
#include <string.h>
static int table[4] = {1, 2, 3, 4};
static const int steps[8] = {1, 2, 3, 4, 5, 6, 7, 8};
int counter;
extern int far_away[40];
const char *const names[] = {"one", "two"};
__attribute__((noinline)) static int helper(int x) { return x * HELPER + table[x & 3]; }
int global(const char *s) { counter++; return steps[strlen(s) & 7] + far_away[8]; }
int calls(int x) { return helper(x) + 1; }
const char *name(int x) { table[x & 3]++; return names[x & 1]; }
void print(const char *s) { fprintf(stdout, "%s %d\\n", s, strcmp(s, "hello")); }
double half(double x) { return x * 0.5; }
int *address(int x) { return x ? &counter : &table[1]; }
"""


def pair(
    tmp_path: Path,
    function: str,
    first: str = SOURCE,
    second: str = SOURCE,
    flags: tuple[tuple[str, ...], tuple[str, ...]] = (("-O1", "-DHELPER=3"), ("-O2", "-DHELPER=3")),
    overrides: Overrides | None = None,
) -> Pair:
    found: list[Input] = []
    for name, text, given in (("a.c", first, flags[0]), ("b.c", second, flags[1])):
        (tmp_path / name).write_text(text)
        found.append(read_input(tmp_path / name, given))
    (chosen,) = choose_functions(found[0], found[1], function)
    reading = read_pair(found[0], found[1], chosen, overrides)
    assert not isinstance(reading, Unknown), reading
    return reading.pair


def names(side: Side) -> set[str]:
    return {place.data.name for place in (*side.places.values(), *side.slots.values())}


def shared(found: Pair) -> set[str]:
    """Names that both sides have; all others are of one side alone."""
    return names(found.original) & names(found.rewrite)


@pytest.mark.parametrize("optimisation", ["-O0", "-O2"])
@pytest.mark.parametrize(
    ("function", "objects"),
    [("global", 3), ("name", 2), ("print", 3), ("half", 1), ("address", 2), ("calls", 1)],
)
def test_what_is_one_thing_has_one_name(
    tmp_path: Path, function: str, objects: int, optimisation: str
) -> None:
    found = pair(tmp_path, function, flags=((optimisation, "-DHELPER=3"), ("-O1", "-DHELPER=3")))
    assert names(found.original) == names(found.rewrite)
    assert len(shared(found)) == objects


def test_constants_have_their_bytes_and_variables_none(tmp_path: Path) -> None:
    found = pair(tmp_path, "global").original
    by_label = {place.data.name.partition(" ")[0]: place.data for place in found.places.values()}
    assert by_label["steps"].data == b"".join(k.to_bytes(4, "little") for k in range(1, 9))
    assert by_label["counter"].data is None and by_label["counter"].size == 4
    far = next(place for place in found.places.values() if place.data.name == "far_away")
    assert far.offset == 32


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("global", "{1, 2, 3, 4, 5, 6, 7, 8}", "{1, 2, 3, 4, 5, 6, 7, 9}"),
        ("name", '"two"', '"2"'),
        ("print", '"hello"', '"hallo"'),
        ("half", "0.5", "0.25"),
        ("address", "static int table[4] = {1, 2, 3, 4}", "static int table[4] = {1, 2, 3, 5}"),
        ("address", "&table[1]", "(int *)&steps[1]"),
    ],
)
def test_what_differs_has_different_names(tmp_path: Path, function: str, old: str, new: str) -> None:
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    found = pair(tmp_path, function, SOURCE, changed)
    assert names(found.original) != names(found.rewrite)


def test_constants_of_equal_content_and_other_names_are_apart(tmp_path: Path) -> None:
    text = "const int one[2] = {5, 6}, other[2] = {5, 6}; const int *f(void) { return NAME; }\n"
    found = pair(tmp_path, "f", text, text, flags=(("-DNAME=one",), ("-DNAME=other",)))
    assert not shared(found)


def test_a_variable_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int buffer[4]; int f(int x) { return buffer[x]; }\n")
    (tmp_path / "b.c").write_text("int buffer[8]; int f(int x) { return buffer[x]; }\n")
    found = read_input(tmp_path / "a.c"), read_input(tmp_path / "b.c")
    reading = read_pair(*found, choose_functions(*found)[0])
    assert isinstance(reading, Unknown) and "buffer is 16 bytes" in reading.reason


def test_callees_of_one_name_are_one_if_their_code_is(tmp_path: Path) -> None:
    same = pair(tmp_path, "calls", flags=(("-O2", "-DHELPER=3"), ("-O2", "-DHELPER=3", "-DX=1")))
    assert {callee.name for callee in same.original.callees.values()} == {"helper"}
    assert {callee.name for callee in same.rewrite.callees.values()} == {"helper"}
    other = (("-O2", "-DHELPER=3"), ("-O2", "-DHELPER=5"))
    differing = pair(tmp_path, "calls", flags=other)
    assert {callee.name for callee in differing.original.callees.values()} == {"helper@original"}
    assert {callee.name for callee in differing.rewrite.callees.values()} == {"helper@rewrite"}
    trusted = pair(tmp_path, "calls", flags=other, overrides=Overrides(same_callees=True))
    assert {callee.name for callee in trusted.rewrite.callees.values()} == {"helper"}
    assert trusted.specification.overrides


def test_a_callee_is_not_the_same_if_what_it_calls_or_reads_is_not(tmp_path: Path) -> None:
    text = """
    static const int deep[2] = {1, VALUE};
    __attribute__((noipa)) static int inner(int x) { return deep[x & 1] * VALUE2; }
    __attribute__((noipa)) static int outer(int x) { return inner(x) + 1; }
    int f(int x) { return outer(x); }
    """
    base = ("-O1", "-DVALUE=2", "-DVALUE2=3")
    for changed in (("-O1", "-DVALUE=7", "-DVALUE2=3"), ("-O1", "-DVALUE=2", "-DVALUE2=9")):
        found = pair(tmp_path, "f", text, text, flags=(base, changed))
        assert next(callee.name for callee in found.original.callees.values()) == "outer@original"
    found = pair(tmp_path, "f", text, text + "int g;\n", flags=(base, base))
    assert next(callee.name for callee in found.original.callees.values()) == "outer"


def test_assembly_reaches_what_the_original_defines(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(SOURCE)
    text = """
    address:
        leaq counter(%rip), %rax
        leaq table+4(%rip), %rdx
        testl %edi, %edi
        cmove %rdx, %rax
        ret
    """
    found = read_input(tmp_path / "a.c", ("-O2", "-DHELPER=3")), read_input(text)
    reading = read_pair(*found, choose_functions(*found)[0])
    assert not isinstance(reading, Unknown)
    assert names(reading.pair.original) == names(reading.pair.rewrite)


def test_linked_files_agree_with_objects(tmp_path: Path) -> None:
    linked = ("-O2", "-DHELPER=3", "-shared", "-fPIC")
    found = pair(tmp_path, "global", flags=(("-O1", "-DHELPER=3"), linked))
    assert shared(found) == names(found.original)
    assert {callee.name for callee in found.rewrite.callees.values()} == {"strlen"}


def test_addresses_that_may_be_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int t[9]; int *f(void) { return t; } int main(void) { return *f(); }\n")
    fixed = read_input(tmp_path / "a.c", ("-O2", "-no-pie", "-fno-pie"))
    reading = read_pair(fixed, fixed, choose_functions(fixed, fixed, "f")[0])
    assert isinstance(reading, Unknown) and "may be an address or a number" in reading.reason
    absolute = read_input("f:\n  movl $t, %eax\n  ret\n.data\nt: .long 1\n")
    reading = read_pair(absolute, absolute, choose_functions(absolute, absolute)[0])
    assert isinstance(reading, Unknown) and "absolute address" in reading.reason


def test_thread_local_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("static __thread int x; int f(void) { return x++; }\n")
    found = read_input(tmp_path / "a.c", ("-O2", "-shared", "-fPIC", "-ftls-model=initial-exec"))
    reading = read_pair(found, found, choose_functions(found, found, "f")[0])
    assert isinstance(reading, Unknown) and "thread-local" in reading.reason


def test_types_that_differ_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int f(int x) { return x; }\n")
    (tmp_path / "b.c").write_text("long f(int x) { return x; }\n")
    found = read_input(tmp_path / "a.c"), read_input(tmp_path / "b.c")
    chosen = choose_functions(*found)[0]
    with pytest.raises(UsageError, match=r"int f\(int\) in .*a.c and long int f\(int\) in .*b.c"):
        read_pair(*found, chosen)
    reading = read_pair(*found, chosen, Overrides(live_out=("eax",)))
    assert not isinstance(reading, Unknown)
    assert reading.pair.specification.overrides == ("for live-out eax",)


def test_functions_are_chosen_by_name_or_as_the_only_ones() -> None:
    one, other = read_input("f:\n ret\ng:\n ret\n"), read_input("h:\n ret\n")
    with pytest.raises(FunctionNotFoundError, match="no function of one name"):
        choose_functions(one, other)
    assert [b.name for b in choose_functions(one, other, "g", "h")[0]] == ["g", "h"]
    assert [b.name for b in choose_functions(other, read_input("k:\n ret\n"))[0]] == ["h", "k"]
    assert [[b.name for b in row] for row in choose_functions(one, one)] == [["f", "f"], ["g", "g"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.s", b""),
        ("a.s", b"\x00\x01\xff"),
        ("a.s", b"f: florb %eax\n"),
        ("a.bin", b"\x7fELF\x02\x01"),
        ("a.bin", b"x"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError) as found:
        read_input(path)
    assert str(path) in str(found.value) and "\n" not in str(found.value)
    for wrong in (tmp_path, tmp_path / "none.s", tmp_path / "none.c"):
        with pytest.raises(ImageError):
            read_input(wrong)


def test_a_static_variable_is_one_in_a_program_and_its_source(tmp_path: Path) -> None:
    text = "static long total[4]; long f(long x) { return total[x & 3] += x; }\nint puts(const char *);\n"
    text += 'int main(void) { puts("x"); return (int)f(3); }\n'
    found = pair(tmp_path, "f", text, text, flags=(("-O2", "-pie", "-fPIE"), ("-O2", "-fno-inline")))
    assert names(found.original) == names(found.rewrite) == {"static total"}


def _referring(text: str) -> Pair | str:
    one = read_input(f".globl f\n.type f, @function\nf:\n{text}\nret\n", syntax="intel")
    reading = read_pair(one, one, choose_functions(one, one, "f")[0], Overrides(("rax",)))
    return reading.reason if isinstance(reading, Unknown) else reading.pair


def test_addresses_beside_what_another_file_defines() -> None:
    """Each is that many bytes from its own symbol, however many symbols there are."""
    lines = [f"add eax, dword ptr [rip + {name} + {offset}]" for name in "abc" for offset in (0, 16, 56, -48)]
    lines.append("cmp dword ptr [rip + b + 64], 1000")
    found = _referring("\n".join(lines))
    assert isinstance(found, Pair), found
    places = sorted((place.data.name, place.offset) for place in found.original.places.values())
    wanted = [(name, offset) for name in "abc" for offset in (-48, 0, 16, 56)]
    assert places == sorted([*wanted, ("b", 64)])


@pytest.mark.parametrize("offset", [1 << 20, -(1 << 20)])
def test_addresses_far_from_what_another_file_defines(offset: int) -> None:
    """They are never taken for something else that lies there in the image."""
    for other in ("b", "own"):
        lines = [f"add eax, dword ptr [rip + a + {offset}]", f"add eax, dword ptr [rip + {other}]"]
        found = _referring("\n".join(lines) + "\nret\n.data\nown: .long 1\n.text")
        if isinstance(found, Pair):
            places = {(place.data.name, place.offset) for place in found.original.places.values()}
            assert ("a", offset) in places and len(places) == 2


def test_one_image_address_for_two_things_is_refused() -> None:
    """The image has the function's own data where the other symbol's would be."""
    text = "add eax, dword ptr [rip + a + {}]\nadd eax, dword ptr [rip + own]\nret\n"
    text += ".data\nown: .long 1\n.skip 0x20000\n.text"
    image = read_input(f".globl f\nf:\n{text.format(-(1 << 20))}\n", syntax="intel").image
    stub = next(address for address, one in image.plt.items() if one.name == "a")
    data = next(section for section in image.sections if section.name == ".data")
    found = _referring(text.format(data.address - stub))
    assert isinstance(found, str) and "far outside" in found
