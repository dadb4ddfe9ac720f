/* Compressed messages: whatever is inflated comes out the same whole and in pieces, and not as more
 * than there is room for; what we compress inflates to what it was, in any window; and an answer to
 * an offer offers nothing else. Input: 2 bytes of settings (pieces, window), then a message. */
#include "exact.h"
#include "ws/deflate.h"
#include "ws/extension.h"
#include "ws/inflate.h"

#include <stdlib.h>

enum { INFLATED_MAX = 1 << 20, PIECE_MAX = 300 };

struct result {
    enum ws_inflate step;
    bool is_whole;
    struct text out;
};

static size_t next_len(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return 1 + (*random >> 33) % PIECE_MAX;
}

/* One piece of input, into pieces of room. */
static enum ws_inflate feed(struct ws_inflater *i, struct bytes in, uint64_t *random,
                            struct text *out)
{
    enum ws_inflate step;
    do {
        const size_t room_len = random ? next_len(random) : 65536;
        uint8_t *room_at = malloc(room_len);
        struct span room = {room_at, room_len};
        step = ws_inflate(i, &in, &room);
        text_add(out, (struct bytes){room_at, room_len - room.len});
        free(room_at);
    } while (step == WS_INFLATE_FULL && out->len <= INFLATED_MAX);
    ASSERT(step != WS_INFLATE_MORE || in.len == 0);
    return step;
}

/* random: NULL: in one piece. */
static void inflate_message(struct ws_inflater *i, struct bytes in, uint64_t *random,
                            struct result *r)
{
    r->step = WS_INFLATE_MORE;
    r->out.len = 0;
    while (in.len > 0 && r->step == WS_INFLATE_MORE) {
        const size_t some = random ? next_len(random) : in.len;
        const struct bytes piece = {in.at, some < in.len ? some : in.len};
        const struct bytes copy = exact_copy(piece);
        r->step = feed(i, copy, random, &r->out);
        exact_free(copy);
        in = bytes_skip(in, piece.len);
    }
    if (r->step == WS_INFLATE_MORE)
        r->step = feed(i, ws_inflate_tail(i), random, &r->out);
    r->is_whole = r->step == WS_INFLATE_MORE && ws_inflate_is_whole(i) &&
                  r->out.len <= INFLATED_MAX; /* where a longer one ends depends on its pieces */
}

/* As it came, twice on one inflater: what the first leaves behind must not show. */
static void inflate_alike(struct bytes packed, uint64_t seed)
{
    struct result whole = {0}, cut = {0};
    struct ws_inflater *a = ws_inflater_new(), *b = ws_inflater_new();
    ASSERT(a && b);
    for (int round = 0; round < 2; round++) {
        inflate_message(a, packed, NULL, &whole);
        inflate_message(b, packed, &seed, &cut);
        ASSERT(whole.is_whole == cut.is_whole);
        ASSERT(!whole.is_whole || bytes_equal(text_bytes(&whole.out), text_bytes(&cut.out)));
        ws_inflater_reset(a);
        ws_inflater_reset(b);
    }
    ws_inflater_free(&a);
    ws_inflater_free(&b);
    text_fini(&whole.out);
    text_fini(&cut.out);
}

static void round_trip(struct bytes payload, unsigned bits, uint64_t seed)
{
    struct text packed = {0};
    struct result back = {0};
    struct ws_deflater *d = ws_deflater_new(bits, true);
    struct ws_inflater *i = ws_inflater_new();
    ASSERT(d && i);
    for (int round = 0; round < 2; round++) { /* the second refers to the first */
        packed.len = 0;
        ASSERT(ws_deflate(d, payload, &packed));
        inflate_message(i, text_bytes(&packed), &seed, &back);
        ASSERT(back.is_whole);
        ASSERT(bytes_equal(text_bytes(&back.out), payload));
    }
    ws_deflater_free(&d);
    ws_inflater_free(&i);
    text_fini(&packed);
    text_fini(&back.out);
}

/* Our answer is an offer that we would agree to in the same words. */
static void negotiate(struct bytes offered)
{
    struct ws_deflate_terms terms, again;
    struct text answer = {0}, second = {0};
    const struct bytes copy = exact_copy(offered);
    if (ws_deflate_choose(copy, &terms) == WS_DEFLATE_CHOSEN) {
        ws_deflate_answer(&answer, &terms);
        const size_t name_len = sizeof("Sec-WebSocket-Extensions:") - 1;
        const struct bytes value = {answer.at + name_len, answer.len - name_len - 2};
        ASSERT(ws_deflate_choose(value, &again) == WS_DEFLATE_CHOSEN);
        ws_deflate_answer(&second, &again);
        ASSERT(bytes_equal(text_bytes(&answer), text_bytes(&second)));
    }
    exact_free(copy);
    text_fini(&answer);
    text_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    if (len < 3)
        return 0;
    const struct bytes message = {input + 2, len - 2};
    inflate_alike(message, input[0]);
    round_trip(message, 8 + input[1] % 8, input[0]);
    negotiate(message);
    return 0;
}
