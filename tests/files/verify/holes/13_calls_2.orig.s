# Hole 13. Two calls change places.
# expect: not proved
# options: --live-out eax
# callees: g 1, h 1
# input: rdi=1
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, edi
        call    g
        mov     edi, ebx
        call    h
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
