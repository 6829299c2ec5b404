// The executor's child in assembly: its only two system call instructions, the way into tested code and back, and the
// first instructions of the program.
#include "executor_child.h"

asm(R"(
    .text
    .globl gate, gate_end, signal_return, signal_return_end
    .hidden gate, gate_end, signal_return, signal_return_end
gate:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
gate_end:
    ret
signal_return:
    mov $15, %eax
    syscall
signal_return_end:
    ud2
)");

// gcc may call these for what it does not inline.
extern "C" void* memcpy(void* to, const void* from, size_t size) {
    void* result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}

extern "C" void* memset(void* to, int value, size_t size) {
    void* result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}

namespace burnish::executor {

// Named for the assembly, which needs the name of the context itself.
extern "C" {
[[gnu::used]] Guarded guarded;
}

}  // namespace burnish::executor

asm(R"(
    .set context, guarded + 64
    .text
    .globl enter, enter_store, finish, abandon
    .hidden enter, enter_store, finish, abandon
enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, context+728(%rip)
    movl $1, context+744(%rip)
    mov context+720(%rip), %rcx
    test %rcx, %rcx
    jz 1f
    mov context+576+32(%rip), %rax
enter_store:
    mov %rcx, (%rax)
1:  mov context+736(%rip), %rax
    test %rax, %rax
    jz 2f
    xor %edx, %edx
    xrstor64 context(%rip)
    jmp 3f
2:  fxrstor64 context(%rip)
3:  pushq context+704(%rip)
    popfq
    mov context+576+0(%rip), %rax
    mov context+576+8(%rip), %rcx
    mov context+576+16(%rip), %rdx
    mov context+576+24(%rip), %rbx
    mov context+576+32(%rip), %rsp
    mov context+576+40(%rip), %rbp
    mov context+576+48(%rip), %rsi
    mov context+576+56(%rip), %rdi
    mov context+576+64(%rip), %r8
    mov context+576+72(%rip), %r9
    mov context+576+80(%rip), %r10
    mov context+576+88(%rip), %r11
    mov context+576+96(%rip), %r12
    mov context+576+104(%rip), %r13
    mov context+576+112(%rip), %r14
    mov context+576+120(%rip), %r15
    jmp *context+712(%rip)
finish:
    mov %rsp, context+576+32(%rip)
    mov context+728(%rip), %rsp
    pushfq
    popq context+704(%rip)
    pushq $0x202
    popfq
    mov %rax, context+576+0(%rip)
    mov %rcx, context+576+8(%rip)
    mov %rdx, context+576+16(%rip)
    mov %rbx, context+576+24(%rip)
    mov %rbp, context+576+40(%rip)
    mov %rsi, context+576+48(%rip)
    mov %rdi, context+576+56(%rip)
    mov %r8, context+576+64(%rip)
    mov %r9, context+576+72(%rip)
    mov %r10, context+576+80(%rip)
    mov %r11, context+576+88(%rip)
    mov %r12, context+576+96(%rip)
    mov %r13, context+576+104(%rip)
    mov %r14, context+576+112(%rip)
    mov %r15, context+576+120(%rip)
    movaps %xmm0, context+160(%rip)
    movaps %xmm1, context+176(%rip)
    movaps %xmm2, context+192(%rip)
    movaps %xmm3, context+208(%rip)
    movaps %xmm4, context+224(%rip)
    movaps %xmm5, context+240(%rip)
    movaps %xmm6, context+256(%rip)
    movaps %xmm7, context+272(%rip)
    movaps %xmm8, context+288(%rip)
    movaps %xmm9, context+304(%rip)
    movaps %xmm10, context+320(%rip)
    movaps %xmm11, context+336(%rip)
    movaps %xmm12, context+352(%rip)
    movaps %xmm13, context+368(%rip)
    movaps %xmm14, context+384(%rip)
    movaps %xmm15, context+400(%rip)
    stmxcsr context+748(%rip)
4:  movl $0, context+744(%rip)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
abandon:
    mov context+728(%rip), %rsp
    pushq $0x202
    popfq
    jmp 4b
)");

asm(R"(
    .text
    .globl _start
_start:
    mov %rsp, %rdi
    lea host_stack+131072(%rip), %rsp
    xor %ebp, %ebp
    call start
    ud2
)");
