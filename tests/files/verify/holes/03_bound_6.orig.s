# Hole 3. Unrolled by four without the rest.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=1 a=07000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        xor     ecx, ecx
.L0:
        cmp     ecx, esi
        jae     .L1
        add     eax, dword ptr [rdi + rcx*4]
        inc     ecx
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
