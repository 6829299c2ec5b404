"""Objects in gcc's frames that its debug information does not place: parameters, literals, and what is behind
``va_list``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import burnish
from burnish.core.code import Function
from burnish.core.verdict import Proved
from burnish.images import assemble, control_flow
from burnish.verify.pair import Local
from burnish.verify.subject.frame_extents import ceiling

PARAMETER = """
int take(long *);
int f(long x, int y) { return take(&x) + y + (int)x; }
"""
LITERAL = """
struct pair { long first, second; };
long all(struct pair *);
long f(long x) { struct pair *p = &(struct pair){x, 5}; long n = all(p); return n + p->second; }
"""
MEMBER = """
struct pair { long first, second; };
long one(long *);
long f(long x) { struct pair *p = &(struct pair){x, 5}; long n = one(&p->second); return n + p->first; }
"""
VARIADIC = """
#include <stdarg.h>
int write_list(void *, const char *, va_list);
int f(void *to, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int n = write_list(to, format, list);
  va_end(list);
  return n + 1;
}
"""
RIGHT = {"a parameter": PARAMETER, "a literal": LITERAL, "a member": MEMBER, "arguments": VARIADIC}
WRONG = {
    "the parameter as it was": (PARAMETER, "take(&x) + y + (int)x", "(int)x + y + take(&x)"),
    "another parameter": (PARAMETER, "long x, int y) {", "long x, int y) { long z = x; x = y; y = z;"),
    "the literal as it was": (LITERAL, "n + p->second", "n + 5"),
    "another literal": (LITERAL, "{x, 5}", "{5, x}"),
    "the other member as it was": (MEMBER, "n + p->first", "n + x"),
    "a member alone": (MEMBER, "one(&p->second)", "({ long s = p->second, r = one(&s); p->second = s; r; })"),
    "one argument less": (VARIADIC, "va_start(list, format);", "va_start(list, format); va_arg(list, long);"),
    "one that lies on the stack": (
        VARIADIC,
        "va_start(list, format);",
        "va_start(list, format); list->overflow_arg_area = (char *)list->overflow_arg_area + 8;",
    ),
}


def _proved(folder: Path, first: str, second: str) -> bool:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    paths = folder / "first.c", folder / "second.c"
    for path, text in zip(paths, (first, second), strict=True):
        path.write_text(text)
    flags = ["-fno-stack-protector", "-w"]
    found = burnish.verify(
        *paths,
        function="f",
        cflags=["-O1", *flags],
        rewrite_cflags=["-O2", *flags],
        cache=False,
        tests=0,
        timeout_s=10.0,
    )
    return isinstance(found.verdict, Proved)


@pytest.mark.parametrize("name", RIGHT)
def test_what_has_no_name_is_the_same_for_both(name: str, tmp_path: Path) -> None:
    assert _proved(tmp_path, RIGHT[name], RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_what_has_no_name_is_the_callee_s(name: str, tmp_path: Path) -> None:
    source, right, wrong = WRONG[name]
    assert source.count(right) == 1
    assert not _proved(tmp_path, source, source.replace(right, wrong))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("push rbx\nsub rsp, 16\nlea rdi, [rsp+8]\ncall f\nadd rsp, 16\npop rbx", -8),
        ("sub rsp, 24\nmov rdi, rsp\ncall f\nadd rsp, 24", 0),
        ("push rsp\npop rdi\ncall f", 0),
        ("push rbp\nmov rbp, rsp\nsub rsp, 16\nlea rdi, [rbp-8]\ncall f\nleave", -8),
        ("push rbp\nsub rsp, 32\nlea rbp, [rsp+8]\nmov rdi, rbp\ncall f\nadd rsp, 32\npop rbp", -8),
        ("push rbp\nsub rsp, 32\nlea rbp, [rsp+8]\nmov [rsp], rbp\ncall f\nadd rsp, 32\npop rbp", -8),
        ("sub rsp, 24\nadd rdi, rsp\ncall f\nadd rsp, 24", 0),
        ("sub rsp, 24\nmovq xmm0, rsp\ncall f\nadd rsp, 24", 0),
        ("push rbp\nmov rbp, rsp\nsub rsp, 16\nmov [rbp-8], rdi\nmov rax, [rbp-8]\nleave", None),
        ("push rbp\nmov rbp, rdi\nlea rdi, [rbp+8]\nmov [rsp-8], rbp\ncall f\npop rbp", None),
        ("sub rsp, 24\nmov [rsp], rdi\nmov rax, [rsp+8]\nadd rsp, 24", None),
    ],
)
def test_objects_lie_where_addresses_are_taken(text: str, end: int | None) -> None:
    image = assemble(f".globl f\nf:\n{text}\nret\n", "intel")
    function = control_flow(image, image.functions[0])
    assert isinstance(function, Function)
    assert ceiling((), function) == end
    if end is not None:
        assert ceiling((Local(-16, 8), Local(-32, 4)), function) == -32
