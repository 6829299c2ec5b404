# Control: its division cannot fault: the divisor is odd and positive.
# expect: proved
# options: --live-out eax
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shr     eax
        mov     ecx, esi
        and     ecx, 255
        or      ecx, 1
        xor     edx, edx
        div     ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
