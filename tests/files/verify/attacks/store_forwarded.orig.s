# A load after two stores is answered from the first.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=a rdx=1 rcx=2 a=00000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], edx
        mov     dword ptr [rsi], ecx
        mov     eax, dword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
