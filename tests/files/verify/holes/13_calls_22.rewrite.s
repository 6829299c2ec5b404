# The rewrite: see 13_calls_22.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     eax, 0
        cmp     edi, 5
        call    g
        sete    al
        movzx   eax, al
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
