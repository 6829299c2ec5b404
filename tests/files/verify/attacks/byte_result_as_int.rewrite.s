# The rewrite: see byte_result_as_int.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        cmp     edi, esi
        setl    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
