# Hole 6, both crash, so they are equal. The rewrite always does.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=01020304
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
