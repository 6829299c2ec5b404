# A loop of calls makes one more where the count is large.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=c9
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        movzx   ebx, dil
.L0:
        test    ebx, ebx
        je      .L1
        mov     edi, 3
        call    g
        dec     ebx
        jmp     .L0
.L1:
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
