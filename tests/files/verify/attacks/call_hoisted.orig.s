# A call comes before the test that decides about a fault.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1 rsi=a a=01020304
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    rsi, rsi
        je      .L1
        mov     eax, dword ptr [rsi]
.L1:
        sub     rsp, 8
        call    g
        add     rsp, 8
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
