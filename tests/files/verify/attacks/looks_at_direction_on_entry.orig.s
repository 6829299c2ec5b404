# It copies with a string instruction, downwards: set, and not cleared on one path.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=b a=00 b=01
# differs: direction flag
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     al, byte ptr [rsi]
        mov     byte ptr [rdi], al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
