// SPDX-License-Identifier: Apache-2.0
/*
 * replay.c: runs a fuzz target over its kept corpus, without a fuzzer: corpus_NAME reads fuzz/corpus/NAME, or
 * the files it is given (to look at one that a fuzzer found). Prints as unit tests do.
 */
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The name is flushed first: a target ends the process when it finds something. */
static bool replay(struct arena *a, const char *path)
{
    struct span in;
    struct fail f = {0};
    if (file_read(a, path, INPUT_MAX, &in, &f)) {
        printf("%s: %s\n", path, f.detail);
        return false;
    }
    printf("input %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(in.p, in.len);
    return true;
}

static size_t replay_folder(struct arena *a, const char *dir)
{
    struct span *names = NULL;
    size_t n = 0, good = 0;
    struct fail f = {0};
    if (file_list(a, dir, "", &names, &n, &f))
        printf("%s: %s\n", dir, f.detail);
    for (size_t i = 0; i < n; i++)
        good += replay(a, arena_str(a, arena_fmt(a, "%s/%.*s", dir, SPAN_F(names[i]))));
    return good == n ? n : 0;
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new(0);
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    size_t good = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        good += replay(a, argv[i]);
    if (argc == 1)
        good = replay_folder(a, arena_str(a, arena_fmt(a, "fuzz/corpus/%s", name + strlen("corpus_"))));
    printf("%s %s\n", good ? "ok" : "FAIL", name);
    arena_free(a);
    return good ? 0 : 1;
}
