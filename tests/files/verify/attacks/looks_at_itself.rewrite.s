# The rewrite: see looks_at_itself.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, byte ptr [rip + f]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
