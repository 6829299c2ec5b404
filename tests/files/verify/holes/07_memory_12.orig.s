# Control: two stores that cannot overlap change places.
# expect: proved
# options: --prototype 'void f(void)'
# arguments: pointer
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], 1
        mov     dword ptr [rdi + 4], 2
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
