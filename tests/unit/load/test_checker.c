/* The books of a fan-out must find every fault that is planted into a stream of messages, and tell
 * which it is. */
#include "load/checker.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

enum { RUN = 77, LEN = 64, MESSAGES = 200 };

static struct checker fresh(void)
{
    return (struct checker){.run = RUN, .payload_len = LEN};
}

static void encode(uint32_t run, uint32_t seq, uint8_t out[static LEN])
{
    payload_encode(&(struct payload){.run = run, .seq = seq, .sent_ns = seq * 10ull},
                   (struct span){out, LEN});
}

/* What the subscriber gets: a message of this run. */
static bool give(struct checker *c, struct checker_place *place, uint32_t seq)
{
    uint8_t payload[LEN];
    struct payload out;
    encode(RUN, seq, payload);
    const bool is_new = checker_take(c, place, (struct bytes){payload, LEN}, &out);
    if (is_new) {
        cr_assert(eq(u32, out.seq, seq));
        cr_assert(eq(u64, out.sent_ns, seq * 10ull));
    }
    return is_new;
}

Test(checker, finds_nothing_where_nothing_is_wrong)
{
    struct checker c = fresh();
    struct checker_place places[3] = {0};
    for (uint32_t seq = 0; seq < MESSAGES; seq++)
        for (size_t i = 0; i < 3; i++)
            cr_assert(give(&c, &places[i], seq));
    cr_assert(checker_is_clean(&c, 3 * MESSAGES));
    cr_assert(eq(u64, c.delivered, 3 * MESSAGES));
}

Test(checker, finds_each_single_lost_message_the_last_one_too)
{
    for (uint32_t lost = 0; lost < MESSAGES; lost++) {
        struct checker c = fresh();
        struct checker_place place = {0};
        for (uint32_t seq = 0; seq < MESSAGES; seq++)
            if (seq != lost)
                cr_assert(give(&c, &place, seq));
        cr_assert(eq(u64, checker_lost(&c, MESSAGES), 1));
        cr_assert(not(checker_is_clean(&c, MESSAGES)));
        cr_assert(eq(u64, c.disordered + c.duplicated + c.corrupt, 0));
    }
}

Test(checker, counts_a_subscriber_who_gets_nothing_at_all)
{
    struct checker c = fresh();
    struct checker_place place = {0};
    for (uint32_t seq = 0; seq < MESSAGES; seq++)
        (void)give(&c, &place, seq);
    cr_assert(eq(u64, checker_lost(&c, 2 * MESSAGES), MESSAGES));
}

Test(checker, finds_a_duplicate_at_once_and_later)
{
    for (uint32_t back = 0; back < CHECKER_WINDOW; back++) {
        struct checker c = fresh();
        struct checker_place place = {0};
        for (uint32_t seq = 0; seq < MESSAGES; seq++)
            (void)give(&c, &place, seq);
        cr_assert(not(give(&c, &place, MESSAGES - 1 - back)));
        cr_assert(eq(u64, c.duplicated, 1), "%u back", back);
        cr_assert(eq(u64, c.disordered, 0));
        cr_assert(eq(u64, checker_lost(&c, MESSAGES), 0));
        cr_assert(not(checker_is_clean(&c, MESSAGES)));
    }
}

Test(checker, finds_two_messages_that_changed_places_and_loses_none)
{
    for (uint32_t first = 0; first + 1 < MESSAGES; first++) {
        struct checker c = fresh();
        struct checker_place place = {0};
        for (uint32_t seq = 0; seq < MESSAGES; seq++) {
            const uint32_t swapped = seq == first ? seq + 1 : seq == first + 1 ? seq - 1 : seq;
            cr_assert(give(&c, &place, swapped));
        }
        cr_assert(eq(u64, c.disordered, 1));
        cr_assert(eq(u64, c.duplicated, 0));
        cr_assert(eq(u64, checker_lost(&c, MESSAGES), 0));
        cr_assert(not(checker_is_clean(&c, MESSAGES)));
    }
}

Test(checker, tells_a_late_message_from_one_that_comes_twice)
{
    struct checker c = fresh();
    struct checker_place place = {0};
    cr_assert(give(&c, &place, 0));
    cr_assert(give(&c, &place, 5));
    cr_assert(give(&c, &place, 3)); /* late */
    cr_assert(not(give(&c, &place, 3)));
    cr_assert(not(give(&c, &place, 0)));
    cr_assert(eq(u64, c.disordered, 1));
    cr_assert(eq(u64, c.duplicated, 2));
    cr_assert(eq(u64, checker_lost(&c, 6), 3));
}

/* Older than the window it cannot be told whether it came: it is a fault either way. */
Test(checker, never_takes_what_is_too_late_for_clean)
{
    struct checker c = fresh();
    struct checker_place place = {0};
    cr_assert(give(&c, &place, CHECKER_WINDOW + 10));
    cr_assert(not(give(&c, &place, 3)));
    cr_assert(eq(u64, c.disordered, 1));
    cr_assert(eq(u64, c.delivered, 1));
}

Test(checker, finds_every_truncation_and_every_changed_byte)
{
    uint8_t payload[LEN];
    for (size_t i = 0; i < LEN; i++) {
        struct checker c = fresh();
        struct checker_place place = {0};
        struct payload out;
        encode(RUN, 0, payload);
        const struct span cut = guarded_copy((struct bytes){payload, i});
        cr_assert(not(checker_take(&c, &place, span_bytes(cut), &out)), "cut at %zu", i);
        payload[i] ^= 1;
        const struct span changed = guarded_copy((struct bytes){payload, LEN});
        cr_assert(not(checker_take(&c, &place, span_bytes(changed), &out)), "byte %zu", i);
        cr_assert(eq(u64, c.corrupt + c.foreign, 2));
        cr_assert(eq(u64, checker_lost(&c, 1), 1));
        guarded_release();
    }
}

Test(checker, does_not_mind_messages_of_other_runs)
{
    struct checker c = fresh();
    struct checker_place place = {0};
    struct payload out;
    uint8_t payload[LEN];
    encode(RUN + 1, 0, payload);
    cr_assert(not(checker_take(&c, &place, (struct bytes){payload, LEN}, &out)));
    cr_assert(not(checker_take(&c, &place, BYTES_LITERAL("hello"), &out)));
    cr_assert(not(checker_take(&c, &place, BYTES_LITERAL(""), &out)));
    cr_assert(eq(u64, c.foreign, 3));
    cr_assert(checker_is_clean(&c, 0));
}

Test(checker, counts_up_to_the_last_sequence_number)
{
    struct checker c = fresh();
    struct checker_place place = {0};
    cr_assert(give(&c, &place, PAYLOAD_SEQ_MAX - 1));
    cr_assert(give(&c, &place, PAYLOAD_SEQ_MAX));
    cr_assert(eq(u64, checker_lost(&c, PAYLOAD_SEQ_MAX + 1ull), PAYLOAD_SEQ_MAX - 1ull));
}
