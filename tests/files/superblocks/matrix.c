/* A product of two matrices, as in the paper of HydraVM. */
#define N 24
static double a[N][N], b[N][N], c[N][N];

__attribute__((noinline)) void multiply(int n) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = i + j, b[i][j] = i - j;
    for (int round = 0; round < 3; round++) multiply(N);
    return c[1][2] == 0;
}
