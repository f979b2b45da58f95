// SPDX-License-Identifier: Apache-2.0
/* Backups that no program of today makes. */
#include "backup.h"
#include "cli.h"
#include "file.h"
#include "store.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static struct arena *arena;
static char root[] = "/tmp/troth-restore-XXXXXX";

static char *in_root(const char *name)
{
    return arena_str(arena, arena_fmt(arena, "%s/%s", root, name));
}

static void make(const char *path, enum backup_kind kind, int schema, int schema_keys)
{
    const struct backup_for who = {.words = SPAN("twelve letters")};
    struct backup_writer *w = NULL;
    struct fail f = {0};
    uint64_t bytes, parts;
    struct span about =
        arena_fmt(arena,
                  "{\"made\":\"2026-11-23T00:00:00Z\",\"version\":\"9\",\"revision\":\"x\",\"entries\":1,"
                  "\"schema\":%d,\"schema_keys\":%d,\"region\":\"CN\",\"installation\":\"x\","
                  "\"checkpoint_size\":1,\"checkpoint\":\"x\"}",
                  schema, schema_keys);
    EXPECT_INT(backup_create(path, kind, &who, 1, about, &w, &f), OK);
    EXPECT_INT(backup_part(w, "erased.ledger", 0600, &f), OK);
    EXPECT_INT(backup_part_end(w, &f), OK);
    EXPECT_INT(backup_finish(w, &bytes, &parts, &f), OK);
}

/* Its exit code; what it says on stderr goes to *said. */
static int restore(struct span *said)
{
    char *argv[] = {(char[]){"troth"},
                    (char[]){"restore"},
                    in_root("new"),
                    (char[]){"--data-file"},
                    in_root("data"),
                    (char[]){"--keys-file"},
                    in_root("keys"),
                    (char[]){"--passphrase-command"},
                    (char[]){"printf 'twelve letters'"},
                    (char[]){"--master-key"},
                    in_root("none"),
                    NULL};
    struct fail f = {0};
    int kept = dup(STDERR_FILENO), to = open(in_root("said"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(to, STDERR_FILENO);
    int code = cli_main(sizeof argv / sizeof argv[0] - 1, argv, "0", "test");
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(to);
    EXPECT_INT(file_read(arena, in_root("said"), 65536, said, &f), OK);
    EXPECT(!file_exists(in_root("new")));
    return code;
}

TEST(R145_a_backup_of_a_newer_program_is_refused)
{
    struct span said;
    int main_now = store_newest(STORE_MAIN), keys_now = store_newest(STORE_KEYS);
    make(in_root("data"), BACKUP_DATA, main_now + 1, keys_now);
    make(in_root("keys"), BACKUP_KEYS, main_now, keys_now + 1);
    EXPECT_INT(restore(&said), CLI_FAILED);
    EXPECT(strstr((const char *)said.p, "made by a newer troth: keys.db has schema") != NULL);
    unlink(in_root("keys"));
    make(in_root("keys"), BACKUP_KEYS, main_now, keys_now);
    EXPECT_INT(restore(&said), CLI_FAILED);
    EXPECT(strstr((const char *)said.p, "made by a newer troth: troth.db has schema") != NULL);
    unlink(in_root("data"));
    unlink(in_root("keys"));
    unlink(in_root("said"));
}

int main(void)
{
    static const struct unit_case cases[] = {CASE(R145_a_backup_of_a_newer_program_is_refused)};
    arena = arena_new(0);
    if (!mkdtemp(root))
        return 1;
    int bad = unit_main(cases, sizeof cases / sizeof cases[0]);
    rmdir(root);
    arena_free(arena);
    return bad;
}
