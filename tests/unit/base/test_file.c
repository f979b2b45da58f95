// SPDX-License-Identifier: Apache-2.0
#include "file.h"
#include "log.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static struct arena *arena;
static char root[] = "/tmp/troth-file-XXXXXX";

static const char *in_root(const char *name)
{
    return arena_str(arena, arena_fmt(arena, "%s/%s", root, name));
}

TEST(file_written_is_file_read)
{
    struct fail f = {.code = OK};
    struct span got;
    struct stat st;
    EXPECT_INT(file_write_durable(in_root("a"), SPAN("one"), 0600, &f), OK);
    EXPECT_INT(file_write_durable(in_root("a"), SPAN("two"), 0640, &f), OK);
    EXPECT_INT(file_read(arena, in_root("a"), 3, &got, &f), OK);
    EXPECT_SPAN(got, "two");
    EXPECT(stat(in_root("a"), &st) == 0 && (st.st_mode & 0777) == 0640);
    EXPECT_INT(file_write_durable(in_root("empty"), SPAN_EMPTY, 0600, &f), OK);
    EXPECT_INT(file_read(arena, in_root("empty"), 3, &got, &f), OK);
    EXPECT_INT(got.len, 0);
}

TEST(file_read_refuses_without_cutting)
{
    struct fail f = {.code = OK};
    struct span got = SPAN("untouched");
    file_write_durable(in_root("four"), SPAN("abcd"), 0600, &f);
    EXPECT_INT(file_read(arena, in_root("four"), 3, &got, &f), ERR_TOO_LARGE);
    EXPECT(strstr(f.detail, "four") != NULL);
    EXPECT_INT(file_read(arena, in_root("none"), 3, &got, NULL), ERR_NOT_FOUND);
    EXPECT_INT(file_read(arena, root, 3, &got, NULL), ERR_IO);
    EXPECT_INT(file_read(arena, "/dev/zero", 100, &got, NULL), ERR_TOO_LARGE);
    EXPECT_SPAN(got, "untouched");
}

TEST(file_read_plain_refuses_what_is_no_file)
{
    struct fail f = {.code = OK};
    struct span got;
    EXPECT_INT(file_write_durable(in_root("plain"), SPAN("abc"), 0600, &f), OK);
    EXPECT_INT(file_read_plain(arena, in_root("plain"), 3, &got, &f), OK);
    EXPECT_SPAN(got, "abc");
    EXPECT_INT(mkfifo(in_root("pipe"), 0600), 0);
    EXPECT_INT(file_read_plain(arena, in_root("pipe"), 3, &got, &f), ERR_IO);
    EXPECT(strstr(f.detail, "pipe or a device") != NULL);
    EXPECT_INT(symlink("/dev/zero", in_root("zero")), 0);
    EXPECT_INT(file_read_plain(arena, in_root("zero"), 3, &got, &f), ERR_IO);
    EXPECT_INT(file_read_plain(arena, root, 3, &got, NULL), ERR_IO);
    EXPECT_INT(file_read_plain(arena, in_root("none"), 3, &got, NULL), ERR_NOT_FOUND);
    unlink(in_root("pipe"));
    unlink(in_root("zero"));
}

TEST(file_write_names_a_full_disk)
{
    struct fail f = {.code = OK};
    FILE *full = fopen("/dev/full", "w");
    EXPECT(full != NULL);
    EXPECT_INT(file_write_all(fileno(full), SPAN("x"), &f), ERR_DISK_FULL);
    fclose(full);
}

TEST(file_write_durable_leaves_nothing_half_done)
{
    struct span *names;
    size_t n;
    EXPECT_INT(file_write_durable(in_root("no/such/folder"), SPAN("x"), 0600, NULL), ERR_NOT_FOUND);
    EXPECT_INT(file_mkdirs(in_root("target"), 0700, NULL), OK);
    EXPECT(file_write_durable(in_root("target"), SPAN("x"), 0600, NULL) != OK);
    EXPECT_INT(file_list(arena, root, "", &names, &n, NULL), OK);
    for (size_t i = 0; i < n; i++)
        EXPECT(strstr(arena_str(arena, names[i]), ".tmp-") == NULL);
}

TEST(file_mkdirs_makes_parents)
{
    struct fail f = {.code = OK};
    EXPECT_INT(file_mkdirs(in_root("x/y/z"), 0700, &f), OK);
    EXPECT_INT(file_mkdirs(in_root("x/y/z"), 0700, &f), OK);
    EXPECT(file_exists(in_root("x/y/z")));
    EXPECT(!file_exists(in_root("x/y/q")));
    EXPECT_INT(file_write_durable(in_root("x/f"), SPAN("f"), 0600, &f), OK);
    EXPECT(file_mkdirs(in_root("x/f/g"), 0700, NULL) != OK);
    EXPECT_INT(file_mkdirs(in_root("x/f"), 0700, NULL), ERR_IO);
    EXPECT_INT(file_sync_dir(in_root("x"), &f), OK);
    EXPECT(file_sync_dir(in_root("x/none"), NULL) != OK);
}

TEST(the_folder_of_a_path)
{
    EXPECT(span_is(file_folder("a/b"), "a"));
    EXPECT(span_is(file_folder("/a/b/c.d"), "/a/b"));
    EXPECT(span_is(file_folder("b"), "."));
    EXPECT(span_is(file_folder("/b"), "/"));
    EXPECT(span_is(file_folder("a/"), "a"));
}

TEST(file_list_is_sorted_and_filtered)
{
    struct fail f = {.code = OK};
    struct span *names;
    size_t n;
    file_mkdirs(in_root("many"), 0700, &f);
    for (int i = 199; i >= 0; i--)
        file_write_durable(in_root(arena_str(arena, arena_fmt(arena, "many/%03d.md", i))), SPAN("x"), 0600,
                           &f);
    file_write_durable(in_root("many/other.txt"), SPAN("x"), 0600, &f);
    EXPECT_INT(file_list(arena, in_root("many"), ".md", &names, &n, &f), OK);
    EXPECT_INT(n, 200);
    EXPECT_SPAN(names[0], "000.md");
    EXPECT_SPAN(names[199], "199.md");
    EXPECT_INT(file_list(arena, in_root("none"), "", &names, &n, NULL), ERR_NOT_FOUND);
}

/* What the log writes for one event, caught in a file. */
static struct span logged(enum log_level least, enum log_level level, const char *text)
{
    struct span got = SPAN_EMPTY;
    int keep = dup(STDERR_FILENO);
    FILE *out = fopen(in_root("log"), "w");
    dup2(fileno(out), STDERR_FILENO);
    log_level_set(least);
    log_line(level, "base", "%s", text);
    dup2(keep, STDERR_FILENO);
    close(keep);
    fclose(out);
    file_read(arena, in_root("log"), 4096, &got, NULL);
    return got;
}

TEST(log_is_one_line_an_event)
{
    struct span line = logged(LOG_LVL_INFO, LOG_LVL_WARN, "a\nb");
    EXPECT(line.len > 25 && line.p[4] == '-');
    EXPECT_INT(span_find(line, '\n', 0), line.len - 1);
    EXPECT_SPAN(span_sub(line, span_find(line, ' ', 0), 99), " warn base: a b\n");
    EXPECT_INT(logged(LOG_LVL_ERROR, LOG_LVL_WARN, "x").len, 0);
}

TEST(log_cuts_long_lines)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct span line = logged(LOG_LVL_DEBUG, LOG_LVL_DEBUG, text);
    EXPECT(line.len > 1000 && line.len < 1100);
    EXPECT_INT(line.p[line.len - 1], '\n');
}

static const struct unit_case cases[] = {
    CASE(file_written_is_file_read),
    CASE(file_read_refuses_without_cutting),
    CASE(file_read_plain_refuses_what_is_no_file),
    CASE(file_write_names_a_full_disk),
    CASE(file_write_durable_leaves_nothing_half_done),
    CASE(file_mkdirs_makes_parents),
    CASE(the_folder_of_a_path),
    CASE(file_list_is_sorted_and_filtered),
    CASE(log_is_one_line_an_event),
    CASE(log_cuts_long_lines),
};

int main(void)
{
    if (!mkdtemp(root))
        return 2;
    arena = arena_new(0);
    int status = unit_main(cases, sizeof cases / sizeof cases[0]);
    char *sweep = arena_str(arena, arena_fmt(arena, "rm -rf %s", root));
    if (system(sweep) != 0)
        status = 2;
    arena_free(arena);
    return status;
}
