# The rewrite: see 09_undefined_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shld    ax, si, 20
        movzx   eax, ax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
