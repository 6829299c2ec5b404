# Control: the assumption that the user made is enough, and is told.
# expect: proved
# options: --live-out eax --assume 'esi == 7'
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        and     eax, esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
