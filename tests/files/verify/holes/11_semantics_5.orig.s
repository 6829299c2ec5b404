# Hole 11. A lost carry.
# expect: not proved
# options: --live-out rax
# input: rdi=ffffffffffffffff rdx=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        add     rdi, rdx
        adc     rsi, rcx
        mov     rax, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
