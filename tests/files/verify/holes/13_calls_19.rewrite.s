# The rewrite: see 13_calls_19.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        call    strlen
        mov     byte ptr [rbx], 0
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
