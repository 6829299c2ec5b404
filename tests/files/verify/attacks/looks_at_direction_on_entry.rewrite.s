# The rewrite: see looks_at_direction_on_entry.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        std
        movsb
        test    eax, eax
        je      .L1
        cld
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
