#!/bin/bash
# What `make demo` shows: a program of ours and Debian's bzip2, made faster without their source.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
work=$(mktemp -d "${TMPDIR:-/tmp}/burnish-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

cp examples/pixels.c "$work"
cd "$work"
show gcc -O2 -o pixels pixels.c
show burnish coverage pixels
show burnish optimize ./pixels -o ./pixels.fast -- 40
show burnish record -o run.burnish --what blocks -- ./pixels 4
show burnish profile run.burnish

if bzip2=$(command -v bzip2); then
    # Text that compresses as source code does: the Python standard library's.
    library=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    find "$library" -maxdepth 1 -name '*.py' -print0 | sort -z | xargs -0 cat | head -c 12000000 >sample.txt
    show burnish optimize "$bzip2" -o ./bzip2.fast -- -k -f sample.txt
else
    echo 'bzip2 is not installed, so its part of the demonstration is left out (apt-get install bzip2).'
fi
