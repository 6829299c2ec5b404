# Control: a truth value is one byte; above it may be anything.
# expect: proved
# options: --prototype '_Bool f(int, int)'
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, esi
        setl    al
        movzx   eax, al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
