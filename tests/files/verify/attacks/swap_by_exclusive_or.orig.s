# Exchange by exclusive or clears both where they are one address.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=a a=01020304
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        mov     ecx, dword ptr [rsi]
        mov     dword ptr [rdi], ecx
        mov     dword ptr [rsi], eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
