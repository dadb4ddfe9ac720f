/* Messages: what goes in comes out, the frame is right, references and images are counted. */
#include "log/message.h"

#include "base/alloc.h"
#include "support/guarded.h"
#include "ws/ws.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

static const struct message_options small = {
    .topic = {(const uint8_t *)"news", 4},
    .event = {(const uint8_t *)"alert", 5},
    .content_type = {(const uint8_t *)"text/plain", 10},
    .payload = {(const uint8_t *)"hello", 5},
    .kind = MESSAGE_TEXT,
    .origin = {.reactor = 3, .tag = 9, .conn = 77, .generation = 5},
};

static struct message *new_message(const struct message_options *o)
{
    struct message *m = message_new(o);
    cr_assert(ne(ptr, m, NULL));
    return m;
}

static struct message *new_sized(size_t payload_len, enum message_kind kind)
{
    uint8_t *payload = alloc_zeroed(payload_len + 1);
    struct message_options o = small;
    for (size_t i = 0; i < payload_len; i++)
        payload[i] = (uint8_t)(i * 7);
    o.payload = (struct bytes){payload, payload_len};
    o.kind = kind;
    struct message *m = new_message(&o);
    cr_assert(bytes_equal(message_payload(m), o.payload));
    alloc_free(payload);
    return m;
}

Test(message, carries_what_it_was_made_of)
{
    struct message *m = new_message(&small);
    cr_assert(bytes_equal(message_topic(m), small.topic));
    cr_assert(bytes_equal(message_event(m), small.event));
    cr_assert(bytes_equal(message_content_type(m), small.content_type));
    cr_assert(bytes_equal(message_payload(m), small.payload));
    cr_assert(eq(int, m->kind, MESSAGE_TEXT));
    cr_assert(eq(u16, m->origin.reactor, 3));
    cr_assert(eq(u16, m->origin.tag, 9));
    cr_assert(eq(u32, m->origin.conn, 77));
    cr_assert(eq(u32, m->origin.generation, 5));
    cr_assert(eq(u64, message_cost(m), 5 + MESSAGE_OVERHEAD));
    cr_assert(eq(u64, m->seq, 0));
    cr_assert(eq(ptr, m->next_in_entry, NULL));
    message_unref(&m);
    cr_assert(eq(ptr, m, NULL));
}

Test(message, copies_and_keeps_nothing_of_the_caller, .fini = guarded_release)
{
    const struct message_options o = {
        .topic = span_bytes(guarded_copy(small.topic)),
        .event = span_bytes(guarded_copy(small.event)),
        .content_type = span_bytes(guarded_copy(small.content_type)),
        .payload = span_bytes(guarded_copy(small.payload)),
        .kind = MESSAGE_BINARY,
    };
    struct message *m = new_message(&o);
    guarded_release();
    cr_assert(bytes_equal(message_topic(m), small.topic));
    cr_assert(bytes_equal(message_payload(m), small.payload));
    message_unref(&m);
}

Test(message, says_which_fields_are_absent_and_that_an_empty_payload_is_not)
{
    struct message_options o = {.topic = BYTES_LITERAL("t"), .kind = MESSAGE_TEXT};
    struct message *m = new_message(&o);
    cr_assert(eq(ptr, (void *)(uintptr_t)message_event(m).at, NULL));
    cr_assert(eq(ptr, (void *)(uintptr_t)message_content_type(m).at, NULL));
    cr_assert(ne(ptr, (void *)(uintptr_t)message_payload(m).at, NULL));
    cr_assert(eq(sz, message_payload(m).len, 0));
    cr_assert(bytes_equal(message_ws_frame(m), BYTES_LITERAL("\x81\0")));
    message_unref(&m);
}

Test(message, holds_the_longest_topic)
{
    uint8_t topic[255];
    memset(topic, 'a', sizeof(topic));
    struct message_options o = small;
    o.topic = (struct bytes){topic, sizeof(topic)};
    struct message *m = new_message(&o);
    cr_assert(bytes_equal(message_topic(m), o.topic));
    cr_assert(bytes_equal(message_event(m), o.event));
    message_unref(&m);
}

/* RFC 6455, 5.2: the shortest of the three length forms must be used. */
Test(message, has_a_websocket_frame_head_of_the_shortest_form)
{
    static const struct {
        size_t payload_len;
        struct bytes text_head;
    } cases[] = {
        {1, BYTES_LITERAL("\x81\x01")},
        {125, BYTES_LITERAL("\x81\x7d")},
        {126, BYTES_LITERAL("\x81\x7e\x00\x7e")},
        {65535, BYTES_LITERAL("\x81\x7e\xff\xff")},
        {65536, BYTES_LITERAL("\x81\x7f\0\0\0\0\0\x01\0\0")},
        {1u << 20, BYTES_LITERAL("\x81\x7f\0\0\0\0\0\x10\0\0")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct message *m = new_sized(cases[i].payload_len, MESSAGE_TEXT);
        const struct bytes frame = message_ws_frame(m);
        const size_t head_len = cases[i].text_head.len;
        cr_assert(bytes_equal((struct bytes){frame.at, head_len}, cases[i].text_head),
                  "payload of %zu", cases[i].payload_len);
        cr_assert(bytes_equal(bytes_skip(frame, head_len), message_payload(m)));
        message_unref(&m);
    }
}

Test(message, has_the_opcode_of_its_kind)
{
    struct message *m = new_sized(3, MESSAGE_BINARY);
    cr_assert(eq(u8, message_ws_frame(m).at[0], 0x82));
    message_unref(&m);
}

Test(message, leaves_room_for_the_longest_masked_head_before_the_payload)
{
    struct message *m = new_message(&small);
    const struct bytes type = message_content_type(m);
    cr_assert(eq(sz, (size_t)(message_payload(m).at - (type.at + type.len)), MESSAGE_HEAD_ROOM));
    message_unref(&m);
}

static _Bool refuse(void *user, size_t size)
{
    (void)user;
    (void)size;
    return 0;
}

Test(message, is_null_without_memory)
{
    alloc_set_gate(refuse, NULL);
    cr_assert(eq(ptr, message_new(&small), NULL));
}

Test(message, lives_until_the_last_reference_is_given_up)
{
    struct message *m = new_message(&small);
    message_ref(m, 3);
    for (uint32_t left = 4; left > 0; left--) {
        struct message *mine = m;
        cr_assert(eq(u32, atomic_load(&m->refs), left));
        cr_assert(bytes_equal(message_payload(m), small.payload));
        message_unref(&mine);
        cr_assert(eq(ptr, mine, NULL));
    }
}

/* --- an end ----------------------------------------------------------------------------------- */

Test(message, that_ends_its_topic_has_no_payload_and_no_frame)
{
    struct message *m =
        new_message(&(struct message_options){.topic = BYTES_LITERAL("news"), .kind = MESSAGE_END});
    cr_assert(eq(int, m->kind, MESSAGE_END));
    cr_assert(bytes_equal(message_topic(m), BYTES_LITERAL("news")));
    cr_assert(eq(sz, message_payload(m).len, 0));
    cr_assert(eq(ptr, (void *)(uintptr_t)message_ws_frame(m).at, NULL));
    cr_assert(eq(sz, message_ws_frame(m).len, 0));
    message_retire_images(m);
    message_unref(&m);
}

/* --- images ----------------------------------------------------------------------------------- */

static unsigned built;
static _Atomic uint64_t total;

static struct image *new_image(uint8_t mark)
{
    struct image *i = image_new(1);
    if (i)
        i->bytes[0] = mark;
    return i;
}

static struct image *build(const struct message *m, void *user)
{
    (void)m;
    built++;
    return new_image(*(uint8_t *)user);
}

static const struct image *image_of(struct message *m, enum image_kind kind, uint8_t mark)
{
    return message_image(m, kind, build, &mark, &total);
}

static uint64_t one_image(void)
{
    return offsetof(struct image, bytes) + 1;
}

Test(image, has_room_for_its_bytes_which_are_all_its_inner_slice)
{
    for (uint32_t len = 0; len < 100; len++) {
        struct image *i = image_new(len);
        cr_assert(ne(ptr, i, NULL));
        memset(i->bytes, 0xee, len);
        cr_assert(eq(u32, i->len, len));
        cr_assert(eq(u32, i->inner_at, 0));
        cr_assert(eq(u32, i->inner_len, len));
        cr_assert(eq(ptr, i->next, NULL));
        cr_assert(eq(u64, image_size(i), offsetof(struct image, bytes) + len));
        image_free(&i);
        cr_assert(eq(ptr, i, NULL));
    }
    struct image *none = NULL;
    image_free(&none);
}

Test(image, is_null_without_memory)
{
    alloc_set_gate(refuse, NULL);
    cr_assert(eq(ptr, image_new(5), NULL));
}

Test(message, builds_an_image_once)
{
    struct message *m = new_message(&small);
    const struct image *a = image_of(m, IMAGE_SSE, 1);
    const struct image *b = image_of(m, IMAGE_SSE, 2);
    cr_assert(eq(ptr, (void *)(uintptr_t)a, (void *)(uintptr_t)b));
    cr_assert(eq(u8, b->bytes[0], 1));
    cr_assert(eq(uint, built, 1));
    message_unref(&m);
}

Test(message, keeps_one_image_of_each_kind)
{
    struct message *m = new_message(&small);
    for (uint8_t kind = 0; kind < IMAGE_KINDS; kind++)
        cr_assert(eq(u8, image_of(m, kind, kind)->bytes[0], kind));
    for (uint8_t kind = 0; kind < IMAGE_KINDS; kind++)
        cr_assert(eq(u8, image_of(m, kind, 99)->bytes[0], kind));
    cr_assert(eq(u64, atomic_load(&total), IMAGE_KINDS * one_image()));
    message_unref(&m);
    cr_assert(eq(u64, atomic_load(&total), 0));
}

Test(message, gives_the_claim_on_an_image_to_the_first_who_asks)
{
    struct message *m = new_message(&small);
    for (enum image_kind kind = 0; kind < IMAGE_KINDS; kind++) {
        cr_assert(message_claim_image(m, kind), "kind %d", (int)kind);
        cr_assert(not(message_claim_image(m, kind)), "kind %d", (int)kind);
        message_give_up_claim(m, kind);
        cr_assert(message_claim_image(m, kind), "kind %d", (int)kind);
        cr_assert(not(message_image_there(m, kind)), "kind %d", (int)kind);
        (void)image_of(m, kind, 1);
        cr_assert(message_image_there(m, kind), "kind %d", (int)kind);
    }
    message_retire_images(m);
    cr_assert(eq(u64, atomic_load(&total), 0), "claims are no holders");
    message_unref(&m);
}

Test(message, may_keep_images_that_nobody_counts)
{
    uint8_t mark = 1;
    struct message *m = new_message(&small);
    cr_assert(eq(u8, message_image(m, IMAGE_SSE, build, &mark, NULL)->bytes[0], 1));
    message_unref(&m);
}

Test(message, builds_no_image_without_memory_but_may_later)
{
    struct message *m = new_message(&small);
    alloc_set_gate(refuse, NULL);
    cr_assert(eq(ptr, (void *)(uintptr_t)image_of(m, IMAGE_SSE, 1), NULL));
    cr_assert(eq(u64, atomic_load(&total), 0));
    alloc_set_gate(NULL, NULL);
    cr_assert(ne(ptr, (void *)(uintptr_t)image_of(m, IMAGE_SSE, 1), NULL));
    message_unref(&m);
}

/* A build during which another reactor completes its own. */
static struct image *build_too_late(const struct message *m, void *user)
{
    (void)image_of((struct message *)(uintptr_t)m, IMAGE_SSE, 9);
    return new_image(*(uint8_t *)user);
}

static struct image *fail_too_late(const struct message *m, void *user)
{
    (void)user;
    (void)image_of((struct message *)(uintptr_t)m, IMAGE_SSE, 9);
    return NULL;
}

Test(message, gives_everybody_the_image_that_was_first_and_counts_only_that)
{
    uint8_t loser = 1;
    struct message *m = new_message(&small);
    const struct image *i = message_image(m, IMAGE_SSE, build_too_late, &loser, &total);
    cr_assert(eq(u8, i->bytes[0], 9));
    cr_assert(eq(u64, atomic_load(&total), one_image()));
    message_unref(&m);
}

Test(message, gives_the_image_of_another_who_had_memory)
{
    struct message *m = new_message(&small);
    const struct image *i = message_image(m, IMAGE_SSE, fail_too_late, NULL, &total);
    cr_assert(eq(u8, i->bytes[0], 9));
    message_unref(&m);
}

Test(message, loses_its_images_when_the_last_holder_retires_them)
{
    enum { HOLDERS = 3 };
    struct message *m = new_message(&small);
    atomic_store(&m->image_holders, HOLDERS); /* as the log does when it stamps */
    for (unsigned kind = 0; kind < IMAGE_KINDS; kind++)
        (void)image_of(m, kind, 1);
    for (unsigned left = HOLDERS; left > 0; left--) {
        cr_assert(eq(u64, atomic_load(&total), IMAGE_KINDS * one_image()));
        message_retire_images(m);
    }
    cr_assert(eq(u64, atomic_load(&total), 0));
    for (unsigned kind = 0; kind < IMAGE_KINDS; kind++)
        cr_assert(eq(ptr, atomic_load(&m->images[kind]), NULL));
    cr_assert(eq(u32, atomic_load(&m->refs), 1));
    cr_assert(bytes_equal(message_payload(m), small.payload));
    message_unref(&m);
}

Test(message, has_one_holder_of_its_images_when_no_log_stamped_it)
{
    struct message *m = new_message(&small);
    (void)image_of(m, IMAGE_ENVELOPE, 1);
    message_retire_images(m);
    cr_assert(eq(u64, atomic_load(&total), 0));
    message_unref(&m);
}

Test(message, frees_with_its_last_reference_the_images_that_not_all_retired)
{
    struct message *m = new_message(&small), *other = m;
    message_ref(m, 1);
    atomic_store(&m->image_holders, 2);
    (void)image_of(m, IMAGE_SSE_ENVELOPE, 1);
    message_retire_images(m);
    message_unref(&other);
    cr_assert(eq(u64, atomic_load(&total), one_image()));
    message_unref(&m);
    cr_assert(eq(u64, atomic_load(&total), 0));
}

/* --- pins ------------------------------------------------------------------------------------- */

Test(message, is_counted_once_while_it_is_pinned_and_outlives_its_owner)
{
    struct message *m = new_message(&small), *first = m, *second = m;
    const uint64_t cost = message_cost(m);
    message_pin(first, &total);
    cr_assert(eq(u64, atomic_load(&total), cost));
    message_pin(second, &total);
    cr_assert(eq(u64, atomic_load(&total), cost));
    cr_assert(eq(u32, atomic_load(&m->refs), 3));
    message_unref(&m);

    message_unpin(&first, &total);
    cr_assert(eq(ptr, first, NULL));
    cr_assert(eq(u64, atomic_load(&total), cost));
    cr_assert(bytes_equal(message_payload(second), small.payload));
    message_unpin(&second, &total);
    cr_assert(eq(u64, atomic_load(&total), 0));
}

Test(message, is_counted_again_when_it_is_pinned_again)
{
    struct message *m = new_message(&small), *other = new_message(&small);
    struct message *pinned = m, *other_pinned = other;
    message_pin(other_pinned, &total);
    for (unsigned i = 0; i < 3; i++) {
        pinned = m;
        message_pin(pinned, &total);
        cr_assert(eq(u64, atomic_load(&total), 2 * message_cost(m)));
        message_unpin(&pinned, &total);
        cr_assert(eq(u64, atomic_load(&total), message_cost(m)));
    }
    message_unpin(&other_pinned, &total);
    message_unref(&other);
    message_unref(&m);
}

/* --- headers ---------------------------------------------------------------------------------- */

static const struct message_header two_headers[] = {
    {BYTES_LITERAL("color"), BYTES_LITERAL("red")},
    {BYTES_LITERAL("empty"), BYTES_LITERAL("")},
};

static struct message_options with_headers(void)
{
    struct message_options o = small;
    o.headers = two_headers;
    o.header_count = 2;
    return o;
}

Test(message, carries_headers_in_their_order)
{
    const struct message_options o = with_headers();
    struct message *m = new_message(&o);
    struct message_header h;
    size_t at = 0;
    for (size_t i = 0; i < 2; i++) {
        cr_assert(message_next_header(m, &at, &h));
        cr_assert(bytes_equal(h.name, two_headers[i].name));
        cr_assert(bytes_equal(h.value, two_headers[i].value));
    }
    cr_assert(not(message_next_header(m, &at, &h)));
    cr_assert(bytes_equal(message_payload(m), small.payload));
    message_unref(&m);
}

Test(message, without_headers_has_none_and_with_them_costs_more)
{
    struct message_header h;
    size_t at = 0;
    const struct message_options o = with_headers();
    struct message *plain = new_message(&small), *more = new_message(&o);
    cr_assert(not(message_next_header(plain, &at, &h)));
    cr_assert(
        eq(u64, message_cost(more) - message_cost(plain), message_headers_size(two_headers, 2)));
    message_unref(&plain);
    message_unref(&more);
}

/* --- a payload that is taken ------------------------------------------------------------------ */

struct owner {
    unsigned releases, dones;
    const void *released;
    int err;
    uint64_t seq;
};

static void on_release(void *user, const void *payload)
{
    struct owner *owner = user;
    owner->releases++;
    owner->released = payload;
}

static void on_done(void *user, int err, uint64_t seq)
{
    struct owner *owner = user;
    owner->dones++;
    owner->err = err;
    owner->seq = seq;
}

static struct message *new_owned(struct owner *owner, struct bytes payload)
{
    const struct message_taking taking = {on_release, owner};
    const struct message_done done = {on_done, owner, 4};
    struct message_options o = with_headers();
    o.payload = payload;
    o.taking = &taking;
    o.done = &done;
    return new_message(&o);
}

Test(message, does_not_copy_a_taken_payload_and_gives_it_back_with_the_last_reference)
{
    struct owner owner = {0};
    static const uint8_t payload[] = "far away";
    struct message *m = new_owned(&owner, (struct bytes){payload, 8}), *other = m;
    cr_assert(eq(ptr, (void *)(uintptr_t)message_payload(m).at, (void *)(uintptr_t)payload));
    cr_assert(bytes_equal(message_topic(m), small.topic));
    cr_assert(bytes_equal(message_content_type(m), small.content_type));
    message_ref(m, 1);
    message_unref(&m);
    cr_assert(eq(u32, owner.releases, 0));
    message_unref(&other);
    cr_assert(eq(u32, owner.releases, 1));
    cr_assert(eq(ptr, (void *)(uintptr_t)owner.released, (void *)(uintptr_t)payload));
}

Test(message, gives_back_an_empty_payload_as_it_was_given)
{
    struct owner owner = {.released = &owner};
    struct message *m = new_owned(&owner, (struct bytes){NULL, 0});
    cr_assert(ne(ptr, (void *)(uintptr_t)message_payload(m).at, NULL));
    message_unref(&m);
    cr_assert(eq(ptr, (void *)(uintptr_t)owner.released, NULL));
    cr_assert(eq(u32, owner.releases, 1));
}

Test(message, keeps_the_frame_of_a_taken_payload_as_an_image)
{
    struct owner owner = {0};
    _Atomic uint64_t total = 0;
    struct message *m = new_owned(&owner, BYTES_LITERAL("hi"));
    const struct image *i = message_image(m, IMAGE_WS_FRAME, ws_image_new, NULL, &total);
    cr_assert(bytes_equal((struct bytes){i->bytes, i->len}, BYTES_LITERAL("\x81\x02hi")));
    cr_assert(eq(u64, total, image_size(i)));
    message_retire_images(m);
    cr_assert(eq(u64, total, 0));
    message_unref(&m);
}

/* --- who waits for the order ------------------------------------------------------------------ */

Test(message, tells_once_that_it_is_ordered)
{
    struct owner owner = {0};
    struct message *m = new_owned(&owner, BYTES_LITERAL("x"));
    cr_assert(eq(u32, message_done_reactor(m), 4));
    m->seq = 7;
    message_ordered(m, 0);
    message_ordered(m, 0);
    message_unref(&m);
    cr_assert(eq(u32, owner.dones, 1));
    cr_assert(eq(int, owner.err, 0));
    cr_assert(eq(u64, owner.seq, 7));
}

Test(message, tells_that_it_never_will_be)
{
    struct owner owner = {0};
    struct message *m = new_owned(&owner, BYTES_LITERAL("x"));
    message_unref(&m);
    cr_assert(eq(u32, owner.dones, 1));
    cr_assert(eq(int, owner.err, -ESHUTDOWN));
    cr_assert(eq(u32, owner.releases, 1));
}

Test(message, that_was_disowned_tells_and_gives_back_nothing)
{
    struct owner owner = {0};
    struct message *m = new_owned(&owner, BYTES_LITERAL("x"));
    message_disown(m);
    message_unref(&m);
    cr_assert(eq(u32, owner.dones, 0));
    cr_assert(eq(u32, owner.releases, 0));
}
