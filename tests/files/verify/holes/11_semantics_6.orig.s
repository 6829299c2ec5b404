# Hole 11. A bit test on memory takes its whole index, one on a register only five bits.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=20 a=0000000001000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        bt      dword ptr [rdi], esi
        setc    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
