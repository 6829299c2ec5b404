# Control: a store that another covers is gone.
# expect: proved
# options: --prototype 'void f(void)'
# arguments: pointer i32 i64
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], esi
        mov     qword ptr [rdi], rdx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
