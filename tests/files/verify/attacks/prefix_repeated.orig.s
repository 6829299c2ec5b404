# A repeated string instruction compares one byte more.
# expect: not proved
# options: --live-out rax
# input: rdi=a rsi=b rdx=1 a=01 b=01
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rcx, rdx
        repe    cmpsb
        mov     rax, rcx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
