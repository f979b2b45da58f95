// SPDX-License-Identifier: Apache-2.0
/* Queues of jobs: see engine_impl.h. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "engine_impl.h"

#include <errno.h>
#include <time.h>

void list_reset(struct job_list *l)
{
    *l = (struct job_list){NULL, &l->first, 0};
}

void list_push(struct job_list *l, struct job *j)
{
    j->next = NULL;
    *l->end = j;
    l->end = &j->next;
    l->n++;
}

struct job *list_pop(struct job_list *l)
{
    struct job *j = l->first;
    if (!j)
        return NULL;
    l->first = j->next;
    l->n--;
    if (!l->first)
        l->end = &l->first;
    return j;
}

int64_t monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t monotonic_ms(void)
{
    return monotonic_us() / 1000;
}

void cond_init_monotonic(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

bool cond_wait_ms(pthread_cond_t *c, pthread_mutex_t *m, int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(c, m, &t) != ETIMEDOUT;
}

enum err thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *arg, struct fail *f)
{
    if (pthread_create(t, NULL, run, arg) != 0)
        return fail_set(f, ERR_INTERNAL, "no thread could be started");
    pthread_setname_np(*t, name);
    return OK;
}

void inbox_init(struct inbox *in)
{
    pthread_mutex_init(&in->lock, NULL);
    cond_init_monotonic(&in->wake);
    for (unsigned i = 0; i < LIST_COUNT; i++)
        list_reset(&in->list[i]);
    in->closed = false;
}

void inbox_drop(struct inbox *in)
{
    pthread_mutex_destroy(&in->lock);
    pthread_cond_destroy(&in->wake);
}

bool inbox_give(struct inbox *in, enum inbox_list which, struct job_list *from)
{
    if (!from->n)
        return true;
    pthread_mutex_lock(&in->lock);
    bool open = !in->closed;
    if (open) {
        struct job_list *to = &in->list[which];
        *to->end = from->first;
        to->end = from->end;
        to->n += from->n;
        list_reset(from);
    }
    pthread_mutex_unlock(&in->lock);
    if (open) /* after the lock: whoever wakes takes it next */
        pthread_cond_signal(&in->wake);
    return open;
}

void inbox_close(struct inbox *in)
{
    pthread_mutex_lock(&in->lock);
    in->closed = true;
    pthread_cond_broadcast(&in->wake);
    pthread_mutex_unlock(&in->lock);
}
