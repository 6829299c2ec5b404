"""C source through gcc."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from burnish.core.errors import CompileError, HostError, ImageError
from burnish.core.image import ImageKind
from burnish.images import compile_c, load

TEXT = "int three(int x)\n{ return 3 * x; }\nint main(void)\n{ return three(2); }\n"


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ((), ImageKind.OBJECT),
        (("-c", "-O3"), ImageKind.OBJECT),
        (("-shared", "-fPIC"), ImageKind.SHARED),
        (("-pie", "-fPIE"), ImageKind.PIE),
        (("-no-pie", "-fno-pie"), ImageKind.EXECUTABLE),
        (("-static",), ImageKind.EXECUTABLE),
    ],
)
def test_flags_say_what_comes_out(flags: tuple[str, ...], kind: ImageKind, tmp_path: Path) -> None:
    file = tmp_path / "three.c"
    file.write_text(TEXT)
    for source in (TEXT, file, str(file)):
        image = compile_c(source, flags)
        assert image.kind is kind
        assert {"three", "main"} <= {b.name for b in image.functions}
        assert image.path == (Path("<source>") if source is TEXT else file)


def test_optimisation_flags_are_passed_on() -> None:
    sizes = {
        level: next(b.size for b in compile_c(TEXT, [level]).functions if b.name == "three")
        for level in ("-O0", "-O2")
    }
    assert sizes["-O2"] < sizes["-O0"]


def test_the_output_can_be_kept_and_run(tmp_path: Path) -> None:
    output = tmp_path / "three.so"
    image = compile_c(TEXT, ["-O2", "-shared", "-fPIC"], output)
    assert image.path == output
    assert ctypes.CDLL(str(output)).three(14) == 42
    assert load(output).functions == image.functions


def test_libraries_are_linked() -> None:
    image = compile_c(
        "#include <math.h>\ndouble f(double x)\n{ return pow(x, 3.5); }\n", ["-shared", "-fPIC", "-lm"]
    )
    assert "libm.so.6" in image.needed


def test_errors_of_gcc_are_kept_whole() -> None:
    with pytest.raises(CompileError) as caught:
        compile_c("int f(void)\n{ return y; }\nint g(void) { return z; }\n")
    assert "error" in str(caught.value)
    assert "'y' undeclared" in str(caught.value).replace("‘", "'").replace("’", "'")
    assert "\n" not in str(caught.value)
    assert "z" in caught.value.stderr
    assert len(caught.value.stderr.splitlines()) > 4


def test_wrong_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        compile_c(tmp_path / "nothing.c")
    with pytest.raises(ImageError, match="not a file"):
        compile_c(tmp_path)
    with pytest.raises(ImageError, match="-S"):
        compile_c(TEXT, ["-S"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="package is gcc"):
        compile_c(TEXT)


def test_a_file_without_functions_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "empty.c"
    path.write_text("")
    with pytest.raises(ImageError, match="no machine code") as caught:
        compile_c(path)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(ImageError, match="no machine code") as caught:
        compile_c(path, output=tmp_path / "made.o")
    assert str(caught.value).startswith(str(path))
