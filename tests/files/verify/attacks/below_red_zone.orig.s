# A frame used without being allocated, across a call that uses the same memory.
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
        call    g
        lea     eax, [rbx + 1]
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
