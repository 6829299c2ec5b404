# Hole 12. A system call is gone.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 39
        syscall
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
