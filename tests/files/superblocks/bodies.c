/* Bodies that attract each other: velocities from all pairs, then positions. */
#include <math.h>
#define BODIES 5
static struct body {
    double x, y, z, vx, vy, vz, mass;
} bodies[BODIES];

__attribute__((noinline)) void attract(double dt) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            struct body *p = &bodies[i], *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double square = dx * dx + dy * dy + dz * dz + 0.01, force = dt / (square * sqrt(square));
            p->vx -= dx * q->mass * force, p->vy -= dy * q->mass * force, p->vz -= dz * q->mass * force;
            q->vx += dx * p->mass * force, q->vy += dy * p->mass * force, q->vz += dz * p->mass * force;
        }
}

__attribute__((noinline)) void move(double dt) {
    for (int i = 0; i < BODIES; i++) {
        struct body *p = &bodies[i];
        p->x += dt * p->vx, p->y += dt * p->vy, p->z += dt * p->vz;
    }
}

__attribute__((noinline)) void simulate(int steps) {
    for (int step = 0; step < steps; step++) attract(0.01), move(0.01);
}

int main(void) {
    for (int i = 0; i < BODIES; i++)
        bodies[i] = (struct body){i, 2 * i % 3, 3 * i % 5, 0.1 * i, -0.1 * i, 0, 1 + i};
    simulate(200);
    return bodies[0].x == 0;
}
