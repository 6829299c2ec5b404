# Two functions that lift, one that is refused, in one object.
        .text
        .globl  average
        .type   average, @function
average:
        movl    %edi, %eax
        xorl    %esi, %eax
        andl    %esi, %edi
        shrl    %eax
        addl    %edi, %eax
        ret
        .size   average, .-average

        .globl  clamp
        .type   clamp, @function
clamp:
        testl   %edi, %edi
        js      .Lnegative
        movl    %edi, %eax
        ret
.Lnegative:
        xorl    %eax, %eax
        ret
        .size   clamp, .-clamp

        .globl  timestamp
        .type   timestamp, @function
timestamp:
        rdtsc
        shlq    $32, %rdx
        orq     %rdx, %rax
        ret
        .size   timestamp, .-timestamp
        .section .note.GNU-stack,"",@progbits
