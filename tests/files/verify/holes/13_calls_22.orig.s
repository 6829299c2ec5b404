# Hole 13. Flags do not live through a call.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=5
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, edi
        cmp     edi, 5
        call    g
        xor     eax, eax
        cmp     ebx, 5
        sete    al
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
