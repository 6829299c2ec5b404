// Floats and doubles: arithmetic, comparisons with NaN, conversions at their edges, calls of libm.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noinline))

KEEP double polynomial(double x, const double *c, int n) {
    double sum = 0;
    for (int i = n - 1; i >= 0; i--) sum = sum * x + c[i];
    return sum;
}
KEEP float mean(const float *v, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += v[i];
    return n ? sum / n : -1.0f;
}
KEEP int order(double a, double b) { return (a < b) | (a <= b) << 1 | (a == b) << 2 | (a != b) << 3 | (a > b) << 4 | !(a < b) << 5; }
KEEP int orderf(float a, float b) { return (a < b) | (a <= b) << 1 | (a == b) << 2 | (a != b) << 3 | (a > b) << 4 | !(a >= b) << 5; }
KEEP long to_long(double x) { return (long)x; }
KEEP unsigned long to_unsigned(double x) { return (unsigned long)x; }
KEEP unsigned to_unsigned32(float x) { return (unsigned)x; }
KEEP double from_unsigned(unsigned long x) { return (double)x; }
KEEP float from_unsignedf(unsigned long x) { return (float)x; }
KEEP double smaller(double a, double b) { return a < b ? a : b; }
KEEP float larger(float a, float b) { return a > b ? a : b; }
KEEP double absolute(double a) { return fabs(-a) * (signbit(a) ? -1 : 1); }
KEEP double mixed(int a, double b, long c, float d, short e, double f, unsigned char g, float h) {
    return a * b + c * d - e * f + g * h;
}
KEEP double many(double a, double b, double c, double d, double e, double f, double g, double h, double i, double j, float k) {
    return a - b * c + d - e * f + g - h * i + j * k;
}
KEEP float halves(double a, float b) { return (float)(a * 0.5) + b; }
KEEP void swap_sign(double *v, int n) { for (int i = 0; i < n; i++) v[i] = -v[i]; }
KEEP double norm(double x, double y) { return sqrt(x * x + y * y) + sin(x) * pow(fabs(y), 0.25) + floor(x) - fmod(x, 3); }

KEEP long double wide(long double a, double b) { return a * b + 1; }
KEEP void show_wide(double a) { printf("%.20Lg\n", wide(a, a + 0.1)); }

static const double edges[] = {0.0, -0.0, 1.0, -1.5, 1e300, -1e300, 1e-310, 9.3e18, 1.8e19, 2147483648.0, -2147483649.0,
    4294967296.0, INFINITY, -INFINITY, NAN};
#define N (int)(sizeof edges / sizeof *edges)

int main(void) {
    double c[] = {1, -2, 3.5, -4.25, 0.125};
    float v[37];
    for (int i = 0; i < 37; i++) v[i] = i * 1.1f - 3;
    printf("%.17g %.9g %.9g\n", polynomial(1.1, c, 5), mean(v, 37), mean(v, 0));
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++)
            printf("%d %d %g %g ", order(edges[i], edges[j]), orderf(edges[i], edges[j]), smaller(edges[i], edges[j]), larger(edges[i], edges[j]));
        printf("\n%g %g\n", from_unsigned((unsigned long)i << 60 | i), from_unsignedf((unsigned long)i << 59 | 1));
        if (fabs(edges[i]) < 9e18) printf("%ld ", to_long(edges[i]));
        if (edges[i] >= 0 && edges[i] < 1.84e19) printf("%lu ", to_unsigned(edges[i]));
        if (edges[i] >= 0 && edges[i] < 4e9) printf("%u ", to_unsigned32(edges[i]));
        printf("%g\n", absolute(edges[i]));
    }
    printf("%.17g\n", mixed(3, 1.5, -7, 2.5f, -3, 1e3, 200, 0.1f));
    printf("%.17g\n", many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.5f));
    printf("%.9g %.17g\n", halves(3.3, 4.4f), norm(3.7, -4.1));
    swap_sign(c, 5);
    printf("%g %g %g %g %g %s %e %a %d %g\n", c[0], c[1], c[2], c[3], c[4], "text", 1e-5, 3.0, 42, 2.5);
    show_wide(1.1);
    return 0;
}
