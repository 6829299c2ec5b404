"""Effects: what may do input or output is found through calls, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.analyze.effects import Effect, Effects
from burnish.images import load

TEXT = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pwd.h>
#define KEEP __attribute__((noinline, noclone))
KEEP long plain(long x) { return x * 3; }
KEEP long copies(char *to, const char *from) { memcpy(to, from, plain(7)); return strlen(to); }
KEEP long recursive(long n) { return n < 2 ? plain(n) : recursive(n - 1) + recursive(n - 2); }
KEEP void writes(const char *text) { puts(text); puts("."); }
KEEP long deep(long n) { if (n > 5) writes("deep"); return recursive(n); }
KEEP long odd(long n);
KEEP long even(long n) { return n == 0 ? deep(n) : odd(n - 1) + 1; }
KEEP long odd(long n) { return n == 0 ? 0 : even(n - 1) + 1; }
KEEP long through(long (*called)(long), long x) { return called(x) + 1; }
KEEP long strange(const char *name) { return getpwnam(name) != NULL; }
KEEP long asks(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(39L) : "rcx", "r11", "memory");
    return result;
}
KEEP long chooses(long x) {
    switch (x) { case 1: return 7; case 2: return x * 5; case 3: return plain(x); case 4: return 2; case 5: return 9; }
    return x;
}
int main(int argc, char **argv) {
    char to[8];
    return (int)(copies(to, argv[0]) + even(argc) + through(plain, 2) + strange("x") + asks() + chooses(argc));
}
"""


@pytest.mark.parametrize("flags", ["-O2", "-O0", "-O2 -fno-plt -fno-pie -no-pie"])
def test_effects_are_found_through_calls(build: Callable[..., Path], flags: str) -> None:
    image = load(build("effects", TEXT, *flags.split()))
    effects = Effects(image)
    where = {bounds.name: bounds.address for bounds in image.functions}
    found = {name: effects.of_address(where[name]) for name in where if f" {name}(" in TEXT}
    for name in ("plain", "copies", "recursive", "chooses"):
        assert found[name] is Effect.NONE, name
    for name in ("through", "strange"):
        assert found[name] is Effect.UNKNOWN, name
    for name in ("writes", "deep", "odd", "even", "asks", "main"):
        assert found[name] is Effect.OUTPUT, name
