/* Fills a table in memory and walks over its pages: a scan, and look-ups. */
#include <stdlib.h>
#include "sqlite3.h"

static int run(sqlite3 *db, const char *text) { return sqlite3_exec(db, text, 0, 0, 0); }

int main(int argc, char **argv) {
    sqlite3 *db;
    int rows = argc > 1 ? atoi(argv[1]) : 1000, wrong = sqlite3_open(":memory:", &db);
    wrong |= run(db, "create table t (id integer primary key, x integer, y text); begin");
    for (int i = 0; i < rows; i++) {
        char *text = sqlite3_mprintf("insert into t values (%d, %d, 'row number %d')", i, i * 7919 % 1000, i);
        wrong |= run(db, text);
        sqlite3_free(text);
    }
    wrong |= run(db, "commit; select sum(x) from t; select max(y) from t where id between 100 and 600");
    return sqlite3_close(db) | wrong;
}
