# The rewrite: see 08_specification_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        mov     edx, esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
