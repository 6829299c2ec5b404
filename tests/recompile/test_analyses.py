"""What the analyses say of small assembled functions: frames, stack arguments and convention; what is read later and
what holds a value; what calls leave alone; which loads may wait."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from burnish.core.code import Label, Reason, Refused
from burnish.core.image import Image
from burnish.core.pcode import OpCode
from burnish.core.recording import Access
from burnish.images import load
from burnish.recompile.bits import CLOBBERED, cell_mask, cells_in
from burnish.recompile.liveness import define
from burnish.recompile.numbering import Numbers, Wanted, number
from burnish.recompile.plan import Summaries
from burnish.recompile.planned import Plan


@pytest.fixture(autouse=True)
def _needs_an_assembler() -> None:
    if shutil.which("as") is None:
        pytest.skip("needs as, the assembler")


def _image(**functions: str) -> Image:
    """An image with these functions, in this order; none is exported."""
    parts = [f".type {n}, @function\n{n}:\n{text}\n.size {n}, . - {n}\n" for n, text in functions.items()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "functions.o")
        subprocess.run(["as", "-o", file], input="".join(parts).encode(), check=True)
        return load(file)


def _plan(image: Image, name: str = "f") -> Plan | Refused:
    """The plan of one of them."""
    return Summaries(image).plan(next(b for b in image.functions if b.name == name))


def _planned(image: Image, name: str = "f") -> Plan:
    """The same, of a function that is not refused."""
    plan = _plan(image, name)
    assert not isinstance(plan, Refused), plan
    return plan


def _calls(plan: Plan) -> list[tuple[Label, int]]:
    """Places of the calls of a function, in order."""
    return [
        (block.label, index)
        for block in plan.function.blocks
        if block.label in plan.layout.facts
        for index, operation in enumerate(plan.operations[block.label])
        if operation.opcode in (OpCode.CALL, OpCode.CALLIND)
    ]


_FRAME = "push %rbx\nsub $32, %rsp\nmov %rdi, 8(%rsp)\nmov 8(%rsp), %rax\nadd $32, %rsp\npop %rbx\nret"


def test_a_frame_is_as_deep_as_its_lowest_access() -> None:
    plan = _planned(
        _image(
            f="push %rbx\nsub $32, %rsp\nmov %rdi, 8(%rsp)\nmov 8(%rsp), %rax\nadd $32, %rsp\npop %rbx\nret"
        )
    )
    assert plan.layout.low <= -32
    assert plan.layout.low % 16 == 8
    assert plan.layout.stack_bytes == 0


def test_stack_arguments_reach_to_the_last_byte_read() -> None:
    plan = _planned(_image(f="mov 24(%rsp), %eax\nadd 8(%rsp), %rax\nret"))
    assert plan.layout.stack_bytes == 20
    assert not plan.layout.open_ended


def test_stack_arguments_that_are_indexed_have_no_known_extent() -> None:
    image = _image(f="mov 8(%rsp,%rdi,8), %rax\nret")
    assert _planned(image).layout.open_ended
    assert Summaries(image).at(image.functions[0].address).stack_bytes is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lea 8(%rsp), %rcx\nmov -64(%rcx,%rdi,8), %rax\nret", Reason.STACK_ARGUMENTS),
        ("mov -56(%rsp,%rdi,8), %rax\nret", Reason.STACK_ARGUMENTS),
        ("mov (%rsp), %rax\nret", Reason.RETURN_ADDRESS),
        ("movq %rdi, (%rsp)\nret", Reason.RETURN_ADDRESS),
        ("mov %rdi, %rbx\nlea 1(%rbx), %rax\nret", Reason.CONVENTION),
        ("mov %rbx, %rax\nret", Reason.CONVENTION),
        ("mov %r10, %rdi\nsub $8, %rsp\ncall *%rsi\nadd $8, %rsp\nret", Reason.CONVENTION),
        ("sub %rdi, %rsp\nmovq $1, (%rsp)\nadd %rdi, %rsp\nret", Reason.STACK_DEPTH),
        ("test %edi, %edi\nje 1f\npush %rax\n1: mov $1, %eax\nret", Reason.STACK_DEPTH),
        ("fld1\nfstpl -8(%rsp)\nmovsd -8(%rsp), %xmm0\nret", Reason.X87),
        ("lock incl (%rdi)\nret", Reason.ATOMIC),
        ("std\nmov $1, %eax\ncld\nret", Reason.CONTROL_STATE),
    ],
)
def test_what_cannot_be_laid_out_is_refused(text: str, reason: Reason) -> None:
    plan = _plan(_image(f=text))
    assert isinstance(plan, Refused)
    assert plan.reason is reason


def test_who_calls_by_a_convention_of_its_own_is_refused() -> None:
    image = _image(f="mov %rsp, %r10\nsub $8, %rsp\ncall g\nadd $8, %rsp\nret", g="mov (%r10), %rax\nret")
    plan = _plan(image)
    assert isinstance(plan, Refused)
    assert plan.reason is Reason.CONVENTION


def test_an_array_in_the_frame_may_be_indexed() -> None:
    text = "movq %rsi, -40(%rsp)\nmovq %rdx, -32(%rsp)\nmov -40(%rsp,%rdi,8), %rax\nret"
    assert not _planned(_image(f=text)).layout.open_ended


def test_a_known_callee_gets_the_stack_arguments_that_it_reads() -> None:
    image = _image(
        f="pushq $7\npushq %rdi\ncall g\nadd $16, %rsp\nret",
        g="mov 8(%rsp), %rax\nsub 16(%rsp), %rax\nret",
    )
    plan = _planned(image)
    assert [plan.layout.outgoing.get(place) for place in _calls(plan)] == [(-16, 16)]


def test_an_unknown_callee_gets_all_that_was_pushed() -> None:
    text = (
        "push %rbx\nmov %rdi, %rbx\npushq $1\npushq $2\npushq %rsi\ncall *%rdx\nadd $24, %rsp\npop %rbx\nret"
    )
    plan = _planned(_image(f=text))
    [outgoing] = [plan.layout.outgoing[place] for place in _calls(plan)]
    assert outgoing[0] == -32
    assert outgoing[1] >= 24


def test_a_structure_that_was_copied_to_the_stack_is_an_argument() -> None:
    text = (
        "push %rbx\nmov %rdx, %rbx\nsub $112, %rsp\nmov %rsi, %rdi\nmov %rdi, %rsi\nmov %rsp, %rdi\nmov $14, %ecx\n"
        "rep movsq\ncall *%rbx\nadd $112, %rsp\npop %rbx\nret"
    )
    plan = _planned(_image(f=text))
    [outgoing] = [plan.layout.outgoing[place] for place in _calls(plan)]
    assert outgoing[0] == -120
    assert outgoing[1] >= 112


def test_a_callee_without_stack_arguments_gets_none() -> None:
    text = "sub $24, %rsp\nmov %rdi, 8(%rsp)\nmov %rsi, %rdi\ncall g\nadd 8(%rsp), %rax\nadd $24, %rsp\nret"
    plan = _planned(_image(f=text, g="lea 1(%rdi), %rax\nret"))
    assert not plan.layout.outgoing


def test_a_tail_call_hands_on_what_its_target_reads() -> None:
    image = _image(f="inc %rdi\njmp g", g="mov 16(%rsp), %rax\nadd %rdi, %rax\nret")
    summary = Summaries(image).at(image.functions[0].address)
    assert summary.stack_bytes == 16


def _names(mask: int) -> set[str]:
    return {cell.name for cell, _ in cells_in(mask)}


def _live_at_entry(plan: Plan) -> int:
    return plan.live[plan.function.blocks[0].label]


def test_arguments_that_are_read_are_live_at_entry() -> None:
    live = _names(_live_at_entry(_planned(_image(f="lea (%rdi,%rsi,2), %rax\nmov $0, %edx\nret"))))
    assert {"rdi", "rsi"} <= live
    assert not {"rdx", "rcx", "r8", "r9"} & live


def test_a_write_of_32_bits_ends_all_64() -> None:
    plan = _planned(_image(f="mov %esi, %edi\nmov %rdi, %rax\nret"))
    assert not _live_at_entry(plan) & cell_mask("rdi")


def test_a_write_of_8_bits_keeps_the_rest() -> None:
    plan = _planned(_image(f="mov %sil, %dil\nmov %rdi, %rax\nret"))
    live = _live_at_entry(plan) & cell_mask("rdi")
    assert _names(live) == {"rdi"}
    assert live.bit_count() == 7


def test_results_whose_value_nobody_reads_are_dropped() -> None:
    plan = _planned(_image(f="mov (%rsi), %rcx\nadd %rdi, %rcx\nmov %rdi, %rax\nret"))
    assert all(o.opcode is not OpCode.INT_ADD for ops in plan.operations.values() for o in ops if o.lane == 0)


def test_a_callee_leaves_alone_what_it_does_not_write() -> None:
    image = _image(
        f="call g\nret", g="addl $1, (%rdi)\ncall h\nret", h="mov %rdi, %rcx\nmovaps %xmm1, %xmm3\nret"
    )
    changed = _names(Summaries(image).at(image.functions[1].address).clobbers)
    assert {"rcx", "xmm3"} <= changed
    assert not {"rax", "rdx", "rsi", "xmm0", "xmm1", "xmm2"} & changed


def test_a_callee_that_calls_the_unknown_changes_everything() -> None:
    image = _image(f="call g\nret", g="sub $8, %rsp\ncall *%rdi\nadd $8, %rsp\nret")
    assert Summaries(image).at(image.functions[1].address).clobbers & CLOBBERED == CLOBBERED


def test_recursion_changes_what_its_functions_write() -> None:
    image = _image(
        f="test %edi, %edi\nje 1f\ndec %edi\nsub $8, %rsp\ncall g\nadd $8, %rsp\n1: ret",
        g="mov $1, %r8d\nsub $8, %rsp\ncall f\nadd $8, %rsp\nret",
    )
    changed = _names(Summaries(image).at(image.functions[0].address).clobbers)
    assert {"rdi", "r8"} <= changed
    assert not {"rax", "rcx", "xmm0"} & changed


def test_values_kept_over_a_call_still_are_values() -> None:
    image = _image(f="sub $8, %rsp\nmov $3, %ecx\ncall g\ncall *%rsi\nadd $8, %rsp\nret", g="inc %rdi\nret")
    plan = _planned(image)
    label, index = _calls(plan)[-1]
    held = plan.defined[label]
    for operation in plan.operations[label][:index]:
        held = define(held, operation, plan.summarise)
    assert held & cell_mask("rcx") == cell_mask("rcx")


def _waiting(text: str) -> int:
    return len(_planned(_image(f=text)).volatile)


def test_a_loop_that_only_reads_one_place_waits_for_it() -> None:
    assert _waiting("1: mov (%rdi), %eax\ntest %eax, %eax\nje 1b\nret") == 1


def test_a_wait_through_a_pointer_in_the_frame() -> None:
    assert (
        _waiting("mov %rdi, -8(%rsp)\n1: mov -8(%rsp), %rax\nmov (%rax), %eax\ntest %eax, %eax\nje 1b\nret")
        == 1
    )


def test_a_loop_that_goes_along_memory_does_not_wait() -> None:
    assert _waiting("1: mov (%rdi), %al\ninc %rdi\ntest %al, %al\njne 1b\nmov %rdi, %rax\nret") == 0


def test_what_a_callee_leaves_in_registers_that_are_not_its_result_is_no_result() -> None:
    image = _image(f="pxor %xmm1, %xmm1\nsub $8, %rsp\ncall memset\nadd $8, %rsp\nret")
    results = _names(_planned(image).results)
    assert {"rax", "xmm0"} <= results
    assert not {"rdx", "xmm1"} & results


def test_nor_is_it_the_result_of_who_calls_that() -> None:
    image = _image(
        f="sub $8, %rsp\ncall g\nadd $8, %rsp\nret",
        g="sub $8, %rsp\ncall memset\nadd $8, %rsp\nret",
    )
    assert not {"rdx", "xmm1"} & _names(_planned(image).results)


def test_what_a_tail_call_leaves_is_what_its_target_does() -> None:
    image = _image(f="mov $2, %edx\njmp g", g="sub $8, %rsp\ncall memset\nadd $8, %rsp\nret")
    assert not {"rdx", "xmm1"} & _names(_planned(image).results)
    image = _image(f="pxor %xmm1, %xmm1\nmov $2, %edx\njmp g", g="mov %edi, %eax\nret")
    assert {"rax", "rdx", "xmm1"} <= _names(_planned(image).results)


def test_stack_arguments_that_are_popped_some_calls_later_are_arguments() -> None:
    """``say`` in ``programs/arguments.c``, as gcc calls it: R9 may be read by the last call, for all that is known."""
    plan = _planned(
        _image(f="sub $8, %rsp\npush $6\ncall *%rdi\ncall g\npop %r9\npop %r10\ncall printf\nret", g="ret")
    )
    first = _calls(plan)[0]
    offset, size = plan.layout.outgoing[first]
    assert (offset, size >= 8) == (-16, True)


def test_equal_instructions_of_a_block_keep_their_own_addresses() -> None:
    """Of the loads only the second matters; both stores do, and so do both results of ``ecx``."""
    moves = "mov (%rdi), %eax\n" * 2 + "mov %eax, (%rsi)\n" * 2
    adds = "add %edx, %ecx\n" * 2 + "mov %ecx, (%rdx)\nret"
    plan = _planned(_image(f=moves + adds))
    numbering = number(plan, Numbers(), Wanted(accesses=True, results=True))
    start = plan.function.blocks[0].label.address
    sites = [(s.access, s.address - start) for row in numbering.sites.values() for s in row]
    stores = [(Access.STORE, offset) for offset in (4, 6, 12)]
    assert sites == [(Access.LOAD, 2), *stores]
    results = [r for row in numbering.groups.values() for group in row for r in group.results]
    assert [r.address - start for r in results if r.register == "rcx"] == [8, 10]
