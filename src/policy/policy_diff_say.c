// SPDX-License-Identifier: Apache-2.0
/* policy_diff_say.c: one change as plain sentences of the page's language. */
#include "policy_diff_impl.h"
#include "policy_render_impl.h"

void policy_change_say(const struct policy_diff *d, const struct policy_change *c, struct span language,
                       struct text *t)
{
    (void)d;
    text_str(t, span_starts(language, "zh") ? "规则有变化：" : "The rules change: ");
    text_html(t, c->where);
    text_str(t, span_starts(language, "zh") ? "。" : ".");
}
