# Control: a loop of three rounds, and its rounds one after the other.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 3
        mov     eax, edi
.L0:
        lea     eax, [rax + rax*4 + 1]
        dec     ecx
        jne     .L0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
