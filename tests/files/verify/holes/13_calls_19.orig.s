# Hole 13. The length of a text is taken again after a store into it; the rewrite keeps the first.
# expect: not proved
# options: --live-out rax
# callees: strlen 1
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        call    strlen
        mov     byte ptr [rbx], 0
        mov     rdi, rbx
        call    strlen
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
