# The rewrite: see 08_specification_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 0x1000
        cmp     edi, esi
        setl    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
