# The rewrite: see past_the_end_same_page.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ax, word ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
