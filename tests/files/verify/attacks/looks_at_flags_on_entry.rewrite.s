# The rewrite: see looks_at_flags_on_entry.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        adc     edi, 0
        mov     eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
