/* How long points stay near the origin: rounds that differ in length, and need nothing of each other. */
#define SIZE 40
static unsigned char picture[SIZE][SIZE];

__attribute__((noinline)) int escape(double cx, double cy) {
    double x = 0, y = 0;
    int steps = 0;
    while (steps < 64 && x * x + y * y < 4) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy, x = t, steps++;
    }
    return steps;
}

__attribute__((noinline)) void draw(void) {
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++)
            picture[row][column] = (unsigned char)escape(column * 3.0 / SIZE - 2, row * 2.4 / SIZE - 1.2);
}

int main(void) {
    draw();
    return picture[SIZE / 2][SIZE / 2] == 0;
}
