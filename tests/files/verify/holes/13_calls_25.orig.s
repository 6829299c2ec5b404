# Control: a jump table for comparisons.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, 2
        ja      .L3
        lea     rdx, [rip + table]
        mov     eax, edi
        movsxd  rax, dword ptr [rdx + rax*4]
        add     rax, rdx
        jmp     rax
.L0:
        mov     eax, 10
        ret
.L1:
        mov     eax, 21
        ret
.L2:
        mov     eax, 32
        ret
.L3:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
table:
        .long   .L0 - table, .L1 - table, .L2 - table
        .section .note.GNU-stack,"",@progbits
