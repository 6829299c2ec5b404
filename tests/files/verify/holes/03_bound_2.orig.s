# Hole 3. The length of a text, right up to 20.
# expect: not proved
# options: --live-out rax
# input: rdi=a a=4141414141414141414141414141414141414141414141414100
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        cmp     byte ptr [rdi + rax], 0
        je      .L1
        inc     rax
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
