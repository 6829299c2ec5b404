# Hole 11. Exchange and add: what was in memory is the result, not the sum.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=3 a=01000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        add     dword ptr [rdi], esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
