# Hole 10. The saved register lies where the store goes that the function is for: the caller may pass any
# address above its own stack pointer, but the rewrite saves in the caller's frame.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=00000000 rsi=3 rbx=4
# differs: stack
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, esi
        mov     dword ptr [rdi], ebx
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
