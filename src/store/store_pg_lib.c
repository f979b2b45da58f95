// SPDX-License-Identifier: Apache-2.0
/* see store_pg_lib.h */
#define PG_LIB_TABLE
#include "store_pg_lib.h"

#include <pthread.h>

struct pg_lib pg_lib;

static struct fail missing;

static void open_once(void)
{
#define X(function) LATE_NAME(pg_lib, function)
    static const struct late_name names[] = {PG_FUNCTIONS(X)};
#undef X
    late_open("libpq.so.5", names, sizeof names / sizeof names[0], &pg_lib, &missing);
}

enum err pg_lib_open(struct fail *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_once);
    if (missing.code != OK && f && f->code == OK)
        *f = missing;
    return missing.code;
}
