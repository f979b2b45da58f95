// SPDX-License-Identifier: Apache-2.0
/* see curl_late.h */
#define CURL_LATE_TABLE
#include "curl_late.h"

struct curl_late curl_late;

enum err curl_late_open(struct fail *f)
{
#define X(function) LATE_NAME(curl_late, function)
    static const struct late_name names[] = {CURL_FUNCTIONS(X)};
#undef X
    return curl_late.curl_easy_init
               ? OK
               : late_open("libcurl.so.4", names, sizeof names / sizeof names[0], &curl_late, f);
}
