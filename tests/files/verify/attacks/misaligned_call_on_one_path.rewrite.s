# The rewrite: see misaligned_call_on_one_path.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      .L1
        push    rdi
        push    rdi
        call    g
        add     rsp, 16
.L1:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
