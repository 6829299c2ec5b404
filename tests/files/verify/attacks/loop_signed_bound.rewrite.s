# The rewrite: see loop_signed_bound.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        xor     ecx, ecx
        and     edi, 0x800000ff
.L0:
        cmp     ecx, edi
        jge     .L1
        inc     ecx
        inc     eax
        cmp     ecx, 300
        je      .L1
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
