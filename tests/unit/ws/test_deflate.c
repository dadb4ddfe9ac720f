/* Messages compressed and inflated: by each other, by zlib itself, and by what others may send. */
#include "base/alloc.h"
#include "ws/deflate.h"
#include "ws/inflate.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <zlib.h>

enum { LONG = 200000 };

static uint8_t sample[LONG];

/* Text-like: repeats itself at many distances. */
static void fill_sample(void)
{
    uint32_t state = 1;
    for (size_t i = 0; i < LONG; i++) {
        state = state * 1103515245 + 12345;
        const size_t back = 1 + (state >> 16) % 3000;
        sample[i] = i > back && (state >> 30) ? sample[i - back] : (uint8_t)(state >> 24);
    }
}
TestSuite(deflate, .init = fill_sample);

/* --- helpers ---------------------------------------------------------------------------------- */

/* Feeds `in` in pieces of in_step bytes, takes what comes out in pieces of out_step. */
static enum ws_inflate feed(struct ws_inflater *i, struct bytes in, size_t in_step, size_t out_step,
                            struct text *out)
{
    while (in.len > 0) {
        struct bytes piece = {in.at, in.len < in_step ? in.len : in_step};
        in = bytes_skip(in, piece.len);
        enum ws_inflate step;
        do {
            uint8_t *at = text_extend(out, out_step);
            struct span room = {at, out_step};
            step = ws_inflate(i, &piece, &room);
            out->len -= room.len;
        } while (step == WS_INFLATE_FULL);
        if (step != WS_INFLATE_MORE)
            return step;
        cr_assert(eq(sz, piece.len, 0));
    }
    return WS_INFLATE_MORE;
}

/* A whole message. False: it is none. */
static bool inflate_message(struct ws_inflater *i, struct bytes in, size_t step, struct text *out)
{
    out->len = 0;
    if (feed(i, in, step, step + 1, out) != WS_INFLATE_MORE)
        return false;
    return feed(i, ws_inflate_tail(i), step, step + 1, out) == WS_INFLATE_MORE &&
           ws_inflate_is_whole(i);
}

static void expect_message(struct ws_inflater *i, struct bytes in, struct bytes wanted)
{
    struct text out = {0};
    cr_assert(inflate_message(i, in, 1000, &out));
    cr_assert(eq(sz, out.len, wanted.len));
    cr_assert(eq(int, wanted.len ? memcmp(out.at, wanted.at, wanted.len) : 0, 0));
    text_fini(&out);
}

#define HELLO BYTES_LITERAL("Hello")

/* --- what others send: the examples of RFC 7692, 7.2.3 ---------------------------------------- */

Test(deflate, inflates_every_kind_of_block)
{
    static const struct bytes forms[] = {
        BYTES_LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"),                         /* 7.2.3.1 */
        BYTES_LITERAL("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),         /* stored */
        BYTES_LITERAL("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),                     /* final */
        BYTES_LITERAL("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), /* two blocks */
        BYTES_LITERAL("\xf3\x48\xcd\xc9\xc9\x07\x00"),                         /* final, no 00 */
    };
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        for (size_t step = 1; step < 14; step++) {
            struct text out = {0};
            struct ws_inflater *i = ws_inflater_new();
            cr_assert(inflate_message(i, forms[k], step, &out), "form %zu, step %zu", k, step);
            cr_assert(bytes_equal(text_bytes(&out), HELLO), "form %zu, step %zu", k, step);
            cr_assert(inflate_message(i, forms[0], step, &out), "the next one");
            cr_assert(bytes_equal(text_bytes(&out), HELLO));
            text_fini(&out);
            ws_inflater_free(&i);
        }
    }
}

Test(deflate, inflates_what_refers_to_an_earlier_message)
{
    struct ws_inflater *i = ws_inflater_new();
    struct text out = {0};
    const struct bytes again = BYTES_LITERAL("\xf2\x00\x11\x00\x00"); /* 7.2.3.2 */
    expect_message(i, BYTES_LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"), HELLO);
    expect_message(i, again, HELLO);
    ws_inflater_reset(i);
    cr_assert(not(inflate_message(i, again, 100, &out)), "it was forgotten");
    text_fini(&out);
    ws_inflater_free(&i);
}

Test(deflate, remembers_across_a_final_block)
{
    struct ws_inflater *i = ws_inflater_new();
    expect_message(i, BYTES_LITERAL("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), HELLO);
    expect_message(i, BYTES_LITERAL("\xf2\x00\x11\x00\x00"), HELLO);
    ws_inflater_free(&i);
}

Test(deflate, inflates_an_empty_message)
{
    struct ws_inflater *i = ws_inflater_new();
    expect_message(i, BYTES_LITERAL("\x00"), BYTES_LITERAL(""));
    expect_message(i, BYTES_LITERAL("\x02\x00"), BYTES_LITERAL(""));
    expect_message(i, BYTES_LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"), HELLO);
    ws_inflater_free(&i);
}

Test(deflate, refuses_what_is_not_deflated)
{
    static const struct bytes faults[] = {
        BYTES_LITERAL("\x07"),             /* a kind of block that is none */
        BYTES_LITERAL("\xff\xff\xff\xff"), /* the same */
        BYTES_LITERAL("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"), /* a length that lies */
        BYTES_LITERAL("\xf2\x48\xcd\xc9"),                             /* cut inside a block */
        BYTES_LITERAL("\x00\x05\x00\xfa\xff\x48\x65"),                 /* the same */
        BYTES_LITERAL("\xf2\x00\x11\x00\x00"),                         /* refers to nothing */
    };
    for (size_t k = 0; k < sizeof(faults) / sizeof(faults[0]); k++) {
        struct text out = {0};
        struct ws_inflater *i = ws_inflater_new();
        cr_assert(not(inflate_message(i, faults[k], 3, &out)), "fault %zu", k);
        text_fini(&out);
        ws_inflater_free(&i);
    }
}

/* --- what we send ----------------------------------------------------------------------------- */

static void expect_round_trip(struct ws_deflater *d, struct ws_inflater *i, struct bytes payload)
{
    struct text packed = {0};
    cr_assert(ws_deflate(d, payload, &packed));
    expect_message(i, text_bytes(&packed), payload);
    text_fini(&packed);
}

Test(deflate, comes_back_whole_at_every_length)
{
    struct ws_deflater *d = ws_deflater_new(15, true);
    struct ws_inflater *i = ws_inflater_new();
    for (size_t len = 1; len < LONG; len += 1 + len / 3) {
        expect_round_trip(d, i, (struct bytes){sample, len});
        expect_round_trip(d, i, (struct bytes){sample + LONG - len, len});
    }
    ws_deflater_free(&d);
    ws_inflater_free(&i);
}

Test(deflate, fills_its_buffers_to_the_last_byte)
{
    /* Incompressible, so that what comes out has every length around a step. */
    uint8_t noise[17000];
    struct ws_deflater *d = ws_deflater_new(15, true);
    struct ws_inflater *i = ws_inflater_new();
    uint32_t state = 7;
    for (size_t k = 0; k < sizeof(noise); k++)
        noise[k] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    for (size_t len = 16340; len < 16400; len++) {
        ws_deflater_reset(d);
        ws_inflater_reset(i);
        expect_round_trip(d, i, (struct bytes){noise, len});
    }
    ws_deflater_free(&d);
    ws_inflater_free(&i);
}

Test(deflate, takes_over_what_it_has_sent_until_it_forgets)
{
    struct ws_deflater *d = ws_deflater_new(15, true);
    struct text first = {0}, second = {0}, third = {0};
    const struct bytes payload = {sample, 1000};
    cr_assert(ws_deflate(d, payload, &first));
    cr_assert(ws_deflate(d, payload, &second));
    ws_deflater_reset(d);
    cr_assert(ws_deflate(d, payload, &third));
    cr_assert(lt(sz, second.len, first.len / 10));
    cr_assert(bytes_equal(text_bytes(&first), text_bytes(&third)));
    text_fini(&first);
    text_fini(&second);
    text_fini(&third);
    ws_deflater_free(&d);
}

/* With room for one byte at a time zlib can look back no further than its window: that of a peer
 * which has no more. */
static void expect_fits_window(struct bytes packed, struct bytes wanted, int bits)
{
    z_stream z = {0};
    uint8_t c;
    cr_assert(eq(int, inflateInit2(&z, -bits), Z_OK));
    z.next_in = (Bytef *)(uintptr_t)packed.at;
    z.avail_in = (unsigned)packed.len;
    for (size_t at = 0; at < wanted.len; at++) {
        z.next_out = &c;
        z.avail_out = 1;
        cr_assert(eq(int, inflate(&z, Z_SYNC_FLUSH), Z_OK), "%d bits, byte %zu: %s", bits, at,
                  z.msg);
        cr_assert(eq(u8, c, wanted.at[at]), "%d bits, byte %zu", bits, at);
    }
    inflateEnd(&z);
}

Test(deflate, looks_back_no_further_than_the_window)
{
    for (unsigned n = 0; n < 16; n++) {
        const unsigned bits = 8 + n / 2;
        struct ws_deflater *d = ws_deflater_new(bits, n % 2);
        struct text packed = {0};
        const struct bytes payload = {sample, LONG / 2};
        cr_assert(ws_deflate(d, payload, &packed));
        expect_fits_window(text_bytes(&packed), payload, (int)bits);
        text_fini(&packed);
        ws_deflater_free(&d);
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

static int allowed;

static _Bool count_down(void *user, size_t size)
{
    (void)user;
    (void)size;
    return allowed-- > 0;
}

Test(deflate, says_when_there_is_no_memory_for_it)
{
    bool done = false;
    for (int k = 0; !done; k++) {
        struct text packed = {0}, out = {0};
        uint8_t room[100];
        alloc_set_gate(count_down, NULL);
        allowed = k;
        struct ws_deflater *d = ws_deflater_new(9, true);
        struct ws_inflater *i = ws_inflater_new();
        if (d && i && ws_deflate(d, HELLO, &packed)) {
            struct bytes in = text_bytes(&packed);
            struct span left = {room, sizeof(room)};
            const enum ws_inflate step = ws_inflate(i, &in, &left);
            done = step == WS_INFLATE_MORE;
            cr_assert(done || step == WS_INFLATE_NO_MEMORY);
        }
        alloc_set_gate(NULL, NULL);
        ws_deflater_free(&d);
        ws_inflater_free(&i);
        text_fini(&packed);
        text_fini(&out);
        cr_assert(k > 8 || !done);
    }
}
