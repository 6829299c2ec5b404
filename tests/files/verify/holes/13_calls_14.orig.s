# Hole 13. A load passes a call, which may store there.
# expect: not proved
# options: --live-out eax
# callees: g 1
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        call    g
        mov     eax, dword ptr [rbx]
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
