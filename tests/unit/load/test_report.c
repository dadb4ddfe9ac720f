/* What a run says of itself: the sentence, the exit's reason, and figures as people read them. */
#include "load/report.h"
#include "load/words.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct failures failures;
static struct latency handshake, latency;

static struct report fresh(enum load_mode mode)
{
    static const char *const urls[] = {"ws://h/"};
    return (struct report){.mode = mode,
                           .urls = urls,
                           .url_count = 1,
                           .has_ws = true,
                           .io = "uring",
                           .failures = &failures,
                           .handshake = &handshake,
                           .latency = &latency};
}

static void check_sentence(const struct report *r, const char *wanted)
{
    struct text out = {0};
    report_add_sentence(&out, r);
    text_add_byte(&out, '\0');
    cr_assert(eq(str, (char *)out.at, (char *)wanted));
    text_fini(&out);
}

Test(report, quotes_an_idle_run)
{
    struct report r = fresh(LOAD_IDLE);
    r.asked = r.opened = 1000000;
    r.held_ns = 60000000000;
    r.has_memory = r.is_local = true;
    r.pid = 1;
    r.kernel_each = 8190;
    r.pss_each = 110.2;
    check_sentence(&r, "1,000,000 WebSocket connections held for 60 s: 0 failed, 0 lost, 8.2 KB of "
                       "kernel memory (both ends) and 110 B of the server's own each.");
    cr_assert(report_is_clean(&r));
    r.dropped = 1;
    cr_assert(not(report_is_clean(&r)));
}

Test(report, quotes_a_fanout)
{
    struct report r = fresh(LOAD_FANOUT);
    r.has_ws = false;
    r.has_sse = true;
    r.asked = r.opened = 10;
    r.published = 3;
    r.payload_len = 64;
    r.expected = 30;
    r.checker.delivered = 28;
    r.checker.duplicated = 1;
    check_sentence(&r,
                   "3 messages of 64 B to 10 event-stream subscribers: 2 lost, 1 twice, 0 out of "
                   "order, 0 corrupt.");
    cr_assert(not(report_is_clean(&r)));
}

Test(report, quotes_a_drain)
{
    struct report r = fresh(LOAD_IDLE);
    r.has_sse = true;
    r.asked = r.opened = 10;
    r.held_ns = 1000000000;
    r.has_drain = true;
    r.drain_count = r.told = 10;
    r.drain_ns = 20000000;
    check_sentence(&r, "10 WebSocket and event-stream connections held for 1 s: 0 failed, 0 "
                       "lost; 10 told to leave in 20 ms.");
}

Test(report, is_not_clean_for_any_single_fault)
{
    struct report clean = fresh(LOAD_FANOUT);
    clean.asked = clean.opened = 10;
    clean.expected = clean.checker.delivered = 30;
    cr_assert(report_is_clean(&clean));
    struct report r = clean;
    r.opened = 9;
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.checker.delivered = 29;
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.checker.duplicated = 1;
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.checker.disordered = 1;
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.checker.corrupt = 1;
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.trouble = "refused";
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.drain_count = 10;
    r.told = 9;
    cr_assert(not(report_is_clean(&r)));
    r = clean;
    r.checker.foreign = 5;
    cr_assert(report_is_clean(&r));
}

/* Who was not tried has not failed, who was tried and failed has. */
Test(report, of_an_interrupted_run_counts_only_what_was_tried)
{
    struct report r = fresh(LOAD_IDLE);
    r.asked = 1000;
    r.opened = 300;
    r.interrupted = true;
    cr_assert(eq(u64, report_failed(&r), 0));
    failures_add(&failures, "refused");
    failures_add(&failures, "refused");
    cr_assert(eq(u64, report_failed(&r), 2));
    r.dropped = 1;
    cr_assert(eq(u64, report_failed(&r), 1));
}

Test(report, keeps_causes_apart_and_bounded)
{
    struct failures f = {0};
    for (int i = 0; i < 100; i++) {
        char what[8] = {'c', (char)('A' + i % 50), '\0'};
        failures_add(&f, what);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < f.count; i++)
        sum += f.at[i].count;
    cr_assert(eq(sz, f.count, FAILURES_MAX));
    cr_assert(eq(u64, sum, 100));
    for (size_t i = 0; i + 1 < f.count; i++)
        cr_assert(eq(u64, f.at[i].count, 2));
    cr_assert(eq(str, f.at[FAILURES_MAX - 1].what, "other causes"));
}

static void check_words(struct text *t, const char *wanted)
{
    text_add_byte(t, '\0');
    cr_assert(eq(str, (char *)t->at, (char *)wanted));
    text_fini(t);
}

Test(report, rounds_for_people)
{
    struct text t = {0};
    words_add_count(&t, 0);
    text_add_byte(&t, ' ');
    words_add_count(&t, 999);
    text_add_byte(&t, ' ');
    words_add_count(&t, 1000);
    text_add_byte(&t, ' ');
    words_add_count(&t, 12345678);
    check_words(&t, "0 999 1,000 12,345,678");
    const uint64_t times[] = {812, 3140, 999960, 12000000, 1200000000, 60000000000};
    const char *const said[] = {"812 ns", "3.1 us", "1.0 ms", "12 ms", "1.2 s", "60 s"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        words_add_duration(&t, times[i]);
        check_words(&t, said[i]);
        t = (struct text){0};
    }
    words_add_size(&t, 110.4);
    text_add_byte(&t, ' ');
    words_add_size(&t, 4100);
    text_add_byte(&t, ' ');
    words_add_size(&t, -5);
    check_words(&t, "110 B 4.1 KB 0 B");
}
