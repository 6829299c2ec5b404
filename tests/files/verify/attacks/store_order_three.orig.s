# Three stores, of which the first and third may be to one address; the middle one hides it.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rdx=a rsi=b a=00000000 b=00000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], 1
        mov     dword ptr [rsi], 2
        mov     dword ptr [rdx], 3
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
