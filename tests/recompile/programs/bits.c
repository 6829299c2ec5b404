/* Each function is one instruction of BMI1 or BMI2 when compiled with -mbmi -mbmi2, or a few; some use its flags. */

#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>

#define SEPARATE __attribute__((noinline, noclone))

uint64_t table[] = {0, 1, 2, 3, 0x80, 0xff, 0x100, 0x1020, 0x203f, 0x3f3f, 0x7fffffff, 0x80000000, 0xffffffff,
                           0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
                           0x123456789abcdef0, 0x00ff00ff00ff00ff, 0xfedcba9876543210};

SEPARATE uint64_t without(uint64_t a, uint64_t b) { return ~a & b; }
SEPARATE uint32_t without32(uint32_t a, uint32_t b) { return ~a & b; }
SEPARATE int disjoint(uint64_t a, uint64_t b) { return (~a & b) == 0; }
SEPARATE uint64_t drop_lowest(uint64_t a) { return a & (a - 1); }
SEPARATE uint32_t drop_lowest32(uint32_t a) { return a & (a - 1); }
SEPARATE uint64_t lowest(uint64_t a) { return a & -a; }
SEPARATE uint32_t lowest32(uint32_t a) { return a & -a; }
SEPARATE uint64_t up_to_lowest(uint64_t a) { return a ^ (a - 1); }
SEPARATE uint32_t up_to_lowest32(uint32_t a) { return a ^ (a - 1); }
SEPARATE uint64_t left(uint64_t a, uint64_t n) { return a << (n & 63); }
SEPARATE uint32_t left32(uint32_t a, uint32_t n) { return a << (n & 31); }
SEPARATE uint64_t right(uint64_t a, uint64_t n) { return a >> (n & 63); }
SEPARATE int64_t arithmetic(int64_t a, uint64_t n) { return a >> (n & 63); }
SEPARATE int32_t arithmetic32(int32_t a, uint32_t n) { return a >> (n & 31); }
SEPARATE uint64_t turned(uint64_t a) { return a >> 13 | a << 51; }
SEPARATE uint32_t turned32(const uint32_t *a) { return *a >> 7 | *a << 25; }
SEPARATE uint64_t turned_fixed(void) { return table[17] >> 61 | table[17] << 3; }
SEPARATE uint64_t low_bits(uint64_t a, uint32_t n) { return _bzhi_u64(a, n); }
SEPARATE uint32_t low_bits32(uint32_t a, uint32_t n) { return _bzhi_u32(a, n); }
SEPARATE uint64_t field(uint64_t a, uint64_t where) { return __bextr_u64(a, where); }
SEPARATE uint32_t field32(uint32_t a, uint32_t where) { return __bextr_u32(a, where); }
SEPARATE uint64_t folded(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

SEPARATE int count(uint64_t a)
{
    int found = 0;
    while (a != 0) {
        a &= a - 1;
        found++;
    }
    return found;
}

SEPARATE int single(uint64_t a) { return a != 0 && (a & (a - 1)) == 0; }

SEPARATE uint64_t indexed(uint64_t i, uint64_t n) { return table[i] << (n & 63) ^ table[i + 1] >> (n & 63); }

int main(void)
{
    unsigned long size = sizeof table / sizeof *table;
    for (unsigned long i = 0; i < size; i++) {
        uint64_t a = table[i];
        uint32_t narrow = (uint32_t)a;
        printf("%lx %x %lx %x %lx %x %lx %x %d %d\n", drop_lowest(a), drop_lowest32(narrow), lowest(a),
               lowest32(narrow), up_to_lowest(a), up_to_lowest32(narrow), turned(a), turned32(&narrow), count(a),
               single(a));
        for (unsigned long k = 0; k < size; k++) {
            uint64_t b = table[k];
            printf("%lx %x %d %lx %x %lx %lx %x ", without(a, b), without32(narrow, b), disjoint(a, b), left(a, b),
                   left32(narrow, b), right(a, b), (uint64_t)arithmetic((int64_t)a, b),
                   (unsigned)arithmetic32((int32_t)narrow, b));
            printf("%lx %x %lx %x %lx\n", low_bits(a, b), low_bits32(narrow, b), field(a, b), field32(narrow, b),
                   folded(a, b));
        }
        if (i + 1 < size)
            printf("%lx\n", indexed(i, a));
    }
    printf("%lx\n", turned_fixed());
    return 0;
}
