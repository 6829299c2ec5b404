# Hole 5. A store for a store under a condition; memory that cannot be written faults.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=0 a:ro=00000000
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     dword ptr [rdi], esi
        je      .L1
        mov     dword ptr [rdi], esi
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
