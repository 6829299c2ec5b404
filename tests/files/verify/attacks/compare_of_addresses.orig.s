# Whether the argument lies below the stack is no property of the argument alone; the original does not ask.
# expect: not proved
# options: --live-out eax
# input: rdi=7fffffffffffffff
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
