# An unsigned index became a signed one.
# expect: not proved
# options: --live-out eax
# input: rdi=80000000 rsi=ffffffff90000fff a=07
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     edi, edi
        movzx   eax, byte ptr [rsi + rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
