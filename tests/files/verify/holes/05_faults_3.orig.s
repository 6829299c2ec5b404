# Hole 5. The load comes before the test for null.
# expect: not proved
# options: --live-out eax
# input: rdi=0
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    rdi, rdi
        je      .L1
        mov     eax, dword ptr [rdi]
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
