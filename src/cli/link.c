// SPDX-License-Identifier: Apache-2.0
/* One request to the data folder: through the operator's socket of the daemon that has it open, or in this
 * process. See cli_impl.h */
#include "cli_impl.h"
#include "curl_late.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- The daemon */

static bool daemon_answers(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        return false;
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return answers;
}

struct received {
    struct text text;
    bool too_much;
};

static size_t receive(char *data, size_t size, size_t n, void *ctx)
{
    struct received *r = ctx;
    size_t len = size * n;
    r->too_much = len > CLI_ANSWER_MAX - r->text.len;
    if (r->too_much)
        return 0;
    text_put(&r->text, span_of(data, len));
    return len;
}

static const char *method_word(enum method m)
{
    static const char *const words[] = {
        [METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
        [METHOD_PUT] = "PUT", [METHOD_DELETE] = "DELETE", [METHOD_OTHER] = "OPTIONS"};
    return words[m];
}

static CURLcode perform(CURL *curl, struct arena *a, const char *socket_path, enum method m, struct span path,
                        struct span query, struct span body, struct received *got)
{
    const char *url = arena_str(
        a, arena_fmt(a, "http://localhost%.*s%s%.*s", SPAN_F(path), query.len ? "?" : "", SPAN_F(query)));
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method_word(m));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, got);
    if (body.len) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.p);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return code;
}

static enum err send_socket(struct cli *c, const char *socket_path, enum method m, struct span path,
                            struct span query, struct span body, struct cli_answer *out, struct fail *f)
{
    struct received got = {.text = text_new(c->arena, 4096)};
    long status = 0;
    CURL *curl = curl_late_open(f) == OK ? curl_easy_init() : NULL;
    if (!curl)
        return fail_set(f, ERR_INTERNAL, "libcurl does not start.");
    CURLcode code = perform(curl, c->arena, socket_path, m, path, query, body, &got);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return fail_set(f, ERR_IO, "The daemon at %s did not answer: %s.", socket_path,
                        got.too_much ? "the answer is too long" : curl_easy_strerror(code));
    *out = (struct cli_answer){(int)status, text_span(&got.text)};
    return OK;
}

/* ---- This process */

const char *cli_master_command(const struct cli *c)
{
    const char *given = cli_get(c, "master-key-command");
    const char *set = given ? given : getenv("TROTH_MASTER_KEY_COMMAND");
    return set && set[0] ? set : NULL;
}

static enum err open_here(struct cli *c, struct fail *f)
{
    struct web_config config = {.data = c->data,
                                .clock_file = c->clock_file,
                                .master_key_command = cli_master_command(c),
                                .known_checkpoint = cli_get(c, "known-checkpoint"),
                                .readers = 1,
                                .version = c->version,
                                .commit = c->commit};
    struct policy_messages *m = ARENA_NEW(c->arena, struct policy_messages);
    if (c->web)
        return OK;
    enum err err = web_start(&config, c->arena, m, &c->web, f);
    if (err == ERR_POLICY)
        cli_policy_messages(m);
    return err;
}

void cli_close(struct cli *c)
{
    if (c->web)
        web_stop(c->web);
    c->web = NULL;
}

static enum err send_here(struct cli *c, enum method m, struct span path, struct span query, struct span body,
                          struct cli_answer *out, struct fail *f)
{
    struct response res = {0};
    struct request req = {.method = m,
                          .operator_socket = true,
                          .path = path,
                          .query = query,
                          .body = body,
                          .content_type = SPAN("application/json")};
    enum err err = open_here(c, f);
    if (err != OK)
        return err;
    web_handle(c->web, &req, c->arena, &res);
    *out = (struct cli_answer){res.status, res.body};
    return OK;
}

enum err cli_send(struct cli *c, enum method m, struct span path, struct span query, struct span body,
                  struct cli_answer *out, struct fail *f)
{
    const char *socket_path = web_socket_path(c->arena, c->data);
    if (!c->web && daemon_answers(socket_path))
        return send_socket(c, socket_path, m, path, query, body, out, f);
    if (c->by_daemon)
        return fail_set(f, ERR_BUSY, "The daemon that had %s open is gone.", c->data);
    return send_here(c, m, path, query, body, out, f);
}
