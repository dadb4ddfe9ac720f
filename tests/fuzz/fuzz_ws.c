/* The WebSocket reader: whole, byte by byte and cut at random, with a reader that is dropped when
 * it is idle, a stream gives the same events, payloads and close code. Input: 2 bytes of settings
 * (limit and compression, seed of the cuts), then the stream. Does not look at what the events
 * should be. */
#include "base/assert.h"
#include "base/text.h"
#include "ws/ws.h"

#include <stdlib.h>

enum { PIECE_MAX = 24 };

enum cut_how { WHOLE, BYTE_BY_BYTE, AT_RANDOM };

struct transcript {
    struct ws_reader reader;
    struct text said;    /* events with their slices; messages when they are complete */
    struct text message; /* of the message so far */
    struct ws_limits limits;
    uint64_t random;
    enum cut_how how;
    bool over; /* closed or violated */
};

static void say(struct transcript *t, enum ws_event event, struct bytes slice)
{
    text_printf(&t->said, "%d %zu:", (int)event, slice.len);
    text_add(&t->said, slice);
}

static void on_event(struct transcript *t, enum ws_event event, const struct ws_step *step)
{
    ASSERT(event == WS_EVENT_MORE || !t->over);
    switch (event) {
    case WS_EVENT_MORE:
        return;
    case WS_EVENT_DATA:
        ASSERT(step->slice.len > 0);
        text_add(&t->message, span_bytes(step->slice));
        ASSERT(step->compressed || t->message.len <= t->limits.message_max);
        return;
    case WS_EVENT_MESSAGE:
        text_printf(&t->said, "opcode %d%s ", (int)step->opcode, step->compressed ? " c" : "");
        say(t, event, text_bytes(&t->message));
        t->message.len = 0;
        return;
    case WS_EVENT_PING:
    case WS_EVENT_PONG:
        ASSERT(step->slice.len <= WS_CONTROL_MAX);
        say(t, event, span_bytes(step->slice));
        return;
    case WS_EVENT_CLOSE:
    case WS_EVENT_VIOLATION:
        t->over = true;
        /* What a violated message had handed out before depends on the cut. */
        t->message.len = event == WS_EVENT_VIOLATION ? 0 : t->message.len;
        text_printf(&t->said, "close %u %s ", (unsigned)t->reader.close_code,
                    step->why ? step->why : "");
        say(t, event, span_bytes(step->slice));
        return;
    }
}

/* An exact copy on the heap: the sanitizer sees a read or write one byte too far. */
static void feed(struct transcript *t, struct bytes piece)
{
    uint8_t *copy = malloc(piece.len + (piece.len == 0));
    ASSERT(copy);
    if (piece.len > 0)
        memcpy(copy, piece.at, piece.len);
    struct span in = {copy, piece.len};
    struct ws_step step;
    enum ws_event event;

    do {
        event = ws_reader_next(&t->reader, &in, &t->limits, &step);
        on_event(t, event, &step);
    } while (event != WS_EVENT_MORE);
    ASSERT(in.len == 0);
    free(copy);
    if (t->how != WHOLE && ws_reader_is_idle(&t->reader))
        memset(&t->reader, 0, sizeof(t->reader));
}

static size_t piece_len(struct transcript *t)
{
    switch (t->how) {
    case WHOLE:
        return SIZE_MAX;
    case BYTE_BY_BYTE:
        return 1;
    case AT_RANDOM:
        t->random = t->random * 6364136223846793005u + 1442695040888963407u;
        return t->random >> 33 & 7 ? (t->random >> 40) % PIECE_MAX : 4000;
    }
    UNREACHABLE("cut_how");
}

static void run(struct transcript *t, struct bytes wire)
{
    while (wire.len > 0) {
        size_t len = piece_len(t);
        if (len > wire.len)
            len = wire.len;
        feed(t, (struct bytes){wire.at, len});
        wire = bytes_skip(wire, len);
    }
    say(t, WS_EVENT_MORE, text_bytes(&t->message));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    static const uint64_t limits[] = {1 << 20, 0, 1, 125, 126, 1000, 65536, INT64_MAX};
    struct transcript t[3];

    if (len < 2)
        return 0;
    for (size_t i = 0; i < 3; i++) {
        t[i] = (struct transcript){
            .how = (enum cut_how)i,
            .limits = {.message_max = limits[input[0] & 7], .may_compress = input[0] & 8},
            .random = input[1]};
        run(&t[i], (struct bytes){input + 2, len - 2});
    }
    ASSERT(bytes_equal(text_bytes(&t[0].said), text_bytes(&t[1].said)));
    ASSERT(bytes_equal(text_bytes(&t[0].said), text_bytes(&t[2].said)));
    for (size_t i = 0; i < 3; i++) {
        text_fini(&t[i].said);
        text_fini(&t[i].message);
    }
    return 0;
}
