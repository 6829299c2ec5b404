# Hole 7. Memory is changed and changed back by the original alone: a value stored twice is not a store
# undone.
# expect: not proved
# options: --live-out eax
# input: rdi=a rdx=a rsi=7 a=01000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        mov     dword ptr [rdi], esi
        mov     dword ptr [rdx], eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
