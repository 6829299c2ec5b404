# Hole 1, branch deletion. The published example: the code behind the jump is gone, and the jump leads to
# the next instruction, so that both of its edges end in one block; a checker that names edges by their
# blocks looks at one of them only.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=2e00
# differs: rax
        .text
        .globl  f
        .type   f, @function
f:
        xorl    %eax, %eax
        cmpb    $0x2e, (%rdi)
        je      .L1
        retq
.L1:
        movzbl  1(%rdi), %edx
        movl    $1, %eax
        testb   %dl, %dl
        je      .L2
        xorl    %eax, %eax
        cmpb    $0x2e, %dl
        jne     .L2
        cmpb    $0, 2(%rdi)
        sete    %al
.L2:
        retq
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
