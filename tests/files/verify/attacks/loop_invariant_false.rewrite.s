# The rewrite: see loop_invariant_false.orig.s.
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
        add     ax, cx
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
