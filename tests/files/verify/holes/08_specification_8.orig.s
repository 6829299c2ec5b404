# Control: the type says 32 bits, and only the upper half differs.
# expect: proved
# options: --prototype 'int f(int)'
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movsxd  rax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
