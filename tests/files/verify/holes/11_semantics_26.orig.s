# Control: 128 bits less one, with the borrow computed.
# expect: proved
# options: --live-out rax
# arguments: i64 i64
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rdi, 1
        sbb     rsi, 0
        mov     rax, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
