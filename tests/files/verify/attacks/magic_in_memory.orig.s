# It is wrong where memory holds a certain text.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=212121216275726e
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1
        mov     rcx, qword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
