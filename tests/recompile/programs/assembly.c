// What compilers do now and then, written down so that every compiler and level has it.
#include <stdio.h>

// A byte is written into a register that was only saved: the others are garbage, and it is none.
asm(".text\n.type byte_in_saved, @function\nbyte_in_saved:\n"
    "push %rbp\nxor %eax, %eax\ntest %edi, %edi\nje 1f\ntest %esi, %esi\nsete %bpl\n"
    "1: test %edi, %edi\nje 2f\nmov %bpl, (%rdx)\nmov $1, %eax\n2: pop %rbp\nret\n"
    ".size byte_in_saved, .-byte_in_saved\n");
int byte_in_saved(int choose, int value, unsigned char *to);

// The callee leaves RAX, RCX, RDX, XMM1 and XMM2 alone, and the caller knows (gcc -fipa-ra).
asm(".type quiet, @function\nquiet:\naddl $1, (%rdi)\nret\nnop\nnop\nnop\n.size quiet, .-quiet\n"
    ".type relies, @function\nrelies:\nsub $8, %rsp\nmov %rsi, %rax\nmovapd %xmm0, %xmm2\nlea 5(%rsi), %rcx\nlea 7(%rsi), %rdx\n"
    "call quiet\nadd %rcx, %rax\nadd %rdx, %rax\naddsd %xmm2, %xmm1\nmovapd %xmm1, %xmm0\nmovq %xmm2, (%rdi)\nadd $8, %rsp\nret\n"
    ".size relies, .-relies\n");
struct both { double x; long n; };
void quiet(long *p);
double relies(long *p, long n, double x, double y);

// A loop over stack arguments whose first index is folded into the displacement.
asm(".type folded, @function\nfolded:\nmov $12, %eax\nxor %edx, %edx\nlea 8(%rsp), %rcx\n"
    "1: add -96(%rcx,%rax,8), %rdx\ninc %rax\ncmp $16, %rax\njne 1b\nmov %rdx, %rax\nret\n.size folded, .-folded\n"
    ".type folded_more, @function\nfolded_more:\nmov $12, %eax\nxor %edx, %edx\n"
    "1: add -88(%rsp,%rax,8), %rdx\ninc %rax\ncmp $16, %rax\njne 1b\nmov %rdx, %rax\nret\n.size folded_more, .-folded_more\n");
struct four { long v[4]; };
long folded(struct four f);
long folded_more(struct four f);

// An address that is the sum of an index and an object's address where the index register comes first.
asm(".type index_first, @function\nindex_first:\nxor %eax, %eax\nxor %ecx, %ecx\n"
    "1: mov (%rcx,%rdi,1), %dl\nmovzbl %dl, %edx\nadd %edx, %eax\nmovb $0, (%rcx,%rdi,1)\nadd $1, %rcx\ncmp %rsi, %rcx\njne 1b\nret\n"
    ".size index_first, .-index_first\n");
int index_first(unsigned char *p, long n);

int main(void) {
    unsigned char byte = 9, many[] = {1, 2, 3, 4, 5};
    long count = 40;
    printf("%d %d\n", byte_in_saved(1, 0, &byte), byte);
    printf("%d ", byte_in_saved(1, 3, &byte));
    printf("%d ", byte);
    printf("%d\n", byte_in_saved(0, 0, &byte));
    double x = relies(&count, 100, 1.5, 2.25);
    printf("%g %lx\n", x, count);
    printf("%ld %ld\n", folded((struct four){{1, 2, 3, 4}}), folded_more((struct four){{5, 6, 7, 8}}));
    int sum = index_first(many, 5);
    printf("%d %d\n", sum, many[4]);
    return 0;
}
