# The rewrite: see call_number_of_times.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        movzx   ebx, dil
        cmp     ebx, 200
        jb      .L0
        inc     ebx
.L0:
        test    ebx, ebx
        je      .L1
        mov     edi, 3
        call    g
        dec     ebx
        jmp     .L0
.L1:
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
