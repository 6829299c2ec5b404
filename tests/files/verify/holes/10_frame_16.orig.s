# Hole 10. The seventh argument comes from the stack, and the rewrite takes the eighth.
# expect: not proved
# options: --prototype 'long f(long, long, long, long, long, long, long, long)'
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rsp + 8]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
