# Control: exchange by exclusive or, of what may be one address.
# expect: proved
# options: --prototype 'void f(void)'
# arguments: pointer pointer
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
