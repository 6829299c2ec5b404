# It reads the aligned word that its byte lies in, as fast string functions do; at the start of an object
# that lies outside, though never on another page. Right on the CPU, too careful to be required.
# expect: right
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, byte ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
