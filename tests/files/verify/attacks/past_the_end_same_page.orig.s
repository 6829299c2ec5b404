# It reads one byte past what the original reads; nothing faults while the page goes on.
# expect: not proved
# options: --live-out al
# input: rdi=a a=01
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     al, byte ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
