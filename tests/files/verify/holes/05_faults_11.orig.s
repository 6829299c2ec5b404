# Control: where the original divides by zero the rewrite may do anything.
# expect: proved
# options: --live-out eax
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        xor     edx, edx
        div     esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
