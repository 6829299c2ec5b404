# Hole 13. A store passes a call, which may read there.
# expect: not proved
# options: --live-out eax
# callees: g 1
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        mov     dword ptr [rdi], 7
        call    g
        mov     dword ptr [rbx], 8
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
