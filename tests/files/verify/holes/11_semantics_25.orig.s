# Control: a carry, by addition and by comparison.
# expect: proved
# options: --live-out eax
# arguments: i64 i64
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        add     rdi, rsi
        adc     eax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
