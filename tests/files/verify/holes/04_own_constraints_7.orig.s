# Control: it keeps a value in its red zone.
# expect: proved
# options: --live-out eax
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + rsi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
