# Control: the same hard function on both sides.
# expect: proved
# options: --live-out rax
# arguments: i64 i64 i64
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        imul    rax, rsi
        imul    rax, rax
        mov     rcx, rax
        shr     rcx, 31
        xor     rax, rcx
        imul    rax, rdx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
