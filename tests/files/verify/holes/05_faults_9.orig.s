# Control: fewer bytes are read.
# expect: proved
# options: --live-out eax
# arguments: pointer
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
