# Control: what is undefined is masked away.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shr     eax, 3
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
