// Exceptions: thrown through rebuilt frames, caught in functions that stay as they are.
#include <cstdio>
#include <stdexcept>
#include <string>
#define KEEP __attribute__((noinline))

extern "C" KEEP int thrower(int n) { if (n > 3) throw std::runtime_error("more than three"); return n * 2; }
extern "C" KEEP int middle(int n, int *seen) { *seen += 1; int got = thrower(n) + 1; *seen += 10; return got; }
extern "C" KEEP int catcher(int n) {
    int seen = 0;
    try { return middle(n, &seen); } catch (const std::exception &e) { std::printf("%s %d\n", e.what(), seen); return -n; }
}
struct Shape { virtual ~Shape() {} virtual int area(int) const = 0; };
struct Square : Shape { int area(int n) const override { return n * n; } };
struct Line : Shape { int area(int n) const override { return n; } };
extern "C" KEEP int sum_areas(const Shape *const *all, int n) { int s = 0; for (int i = 0; i < n; i++) s += all[i]->area(i + 3); return s; }

int main() {
    Square square;
    Line line;
    const Shape *all[] = {&square, &line, &square};
    std::printf("%d %d %d\n", catcher(2), catcher(7), sum_areas(all, 3));
    return 0;
}
