# The rewrite: see 07_memory_13.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movabs  rax, 0x200000001
        mov     qword ptr [rdi], rax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
