# Hole 2. The rewrite calls itself for ever; by induction over calls that look equal it would return
# anything.
# expect: not proved
# options: --live-out eax
# input: rdi=0
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        jne     .L1
        xor     eax, eax
        ret
.L1:
        push    rbx
        mov     ebx, edi
        lea     edi, [rbx - 1]
        call    f
        add     eax, ebx
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
