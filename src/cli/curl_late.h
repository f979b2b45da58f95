// SPDX-License-Identifier: Apache-2.0
/* curl_late.h: libcurl, opened by commands that call a daemon or a witness (late.h). */
#ifndef TROTH_CURL_LATE_H
#define TROTH_CURL_LATE_H

#include "late.h"

#define CURL_DISABLE_TYPECHECK /* its macros would come before ours */
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo

/* What is called of it. (clang-format lays such a list out differently each time.) */
// clang-format off
#define CURL_FUNCTIONS(X) \
    X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform) \
    X(curl_easy_setopt) X(curl_easy_strerror) X(curl_slist_append) X(curl_slist_free_all)
// clang-format on

struct curl_late {
    CURL_FUNCTIONS(LATE_MEMBER)
};
extern struct curl_late curl_late;
/* Before anything is called; once is enough. One thread at a time. */
enum err curl_late_open(struct fail *f);

#ifndef CURL_LATE_TABLE
#define curl_easy_cleanup   curl_late.curl_easy_cleanup
#define curl_easy_getinfo   curl_late.curl_easy_getinfo
#define curl_easy_init      curl_late.curl_easy_init
#define curl_easy_perform   curl_late.curl_easy_perform
#define curl_easy_setopt    curl_late.curl_easy_setopt
#define curl_easy_strerror  curl_late.curl_easy_strerror
#define curl_slist_append   curl_late.curl_slist_append
#define curl_slist_free_all curl_late.curl_slist_free_all
#endif

#endif
