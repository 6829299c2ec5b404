# An accumulator of 16 bits: the invariant 'both are equal' holds while the sum is small.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        test    esi, esi
        je      .L1
        dec     esi
        movzx   ecx, byte ptr [rdi]
        inc     rdi
        add     eax, ecx
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
