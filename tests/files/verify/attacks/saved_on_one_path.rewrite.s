# The rewrite: see saved_on_one_path.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        lea     ebx, [rdi + 1]
        mov     eax, ebx
        test    esi, esi
        je      .L1
        inc     eax
        pop     rbx
        ret
.L1:
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
