# Hole 9. A shift by 32 or more: the original gives 0 as a guarded shift does, the CPU takes the count
# modulo 32.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=20
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        xor     eax, eax
        cmp     ecx, 31
        ja      .L1
        mov     eax, edi
        shl     eax, cl
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
