# Hole 13. A caller-saved register is expected to live through a call.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1 rsi=2
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, esi
        call    g
        mov     eax, ebx
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
