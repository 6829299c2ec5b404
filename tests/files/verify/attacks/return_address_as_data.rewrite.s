# The rewrite: see return_address_as_data.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rsp]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
