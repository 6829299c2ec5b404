# The rewrite: see extension_of_index.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movsxd  rdi, edi
        movzx   eax, byte ptr [rsi + rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
