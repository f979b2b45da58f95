// SPDX-License-Identifier: Apache-2.0
/* see late.h */
#include "late.h"

#include <dlfcn.h>
#include <string.h>

enum err late_open(const char *library, const struct late_name *names, size_t n, void *table, struct fail *f)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL); /* stays open until the process ends */
    if (!handle)
        return fail_set(f, ERR_INTERNAL, "%s cannot be opened: %s", library, dlerror());
    for (size_t i = 0; i < n; i++) {
        void *p = dlsym(handle, names[i].name);
        if (!p)
            return fail_set(f, ERR_INTERNAL, "%s has no %s", library, names[i].name);
        memcpy((char *)table + names[i].at, &p, sizeof p);
    }
    return OK;
}
