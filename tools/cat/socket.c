/* By WebSocket, with the handshake and the frames of the load generator; what the messages say is
 * the same as in a stream. */
#include "base/clock.h"
#include "cat/answer.h"
#include "cat/follow.h"
#include "cat/target.h"
#include "load/frames.h"
#include "load/handshake.h"

#include <errno.h>
#include <stdio.h>

static bool send_frame(struct follow *f, enum ws_opcode opcode, struct bytes payload)
{
    uint8_t frame[WS_HEAD_MAX + WS_CONTROL_MAX];
    uint32_t mask;
    clock_random_bytes(&mask, sizeof(mask));
    return wire_send(&f->wire, (struct bytes){frame, frames_encode(frame, opcode, payload, mask)});
}

/* What its code means to us (RFC 6455, 7.4.1, and the server's own). */
static enum ending take_close(struct follow *f, const struct frames_step *step)
{
    char why[WIRE_WHY_MAX];
    uint8_t code[2];
    store_be(code, sizeof(code), step->code);
    if (step->code != WS_CLOSE_NO_STATUS && !send_frame(f, WS_CLOSE, (struct bytes){code, 2}))
        return follow_ended(f, ENDING_AGAIN, f->wire.why);
    snprintf(why, sizeof(why), "the server closes with %u%s%.*s", step->code,
             step->slice.len > 0 ? ": " : "", (int)step->slice.len, (const char *)step->slice.at);
    switch (step->code) {
    case WS_CLOSE_NORMAL:
        return ENDING_FINISHED;
    case WS_CLOSE_PROTOCOL_ERROR:
    case WS_CLOSE_UNSUPPORTED:
    case WS_CLOSE_BAD_TEXT:
    case WS_CLOSE_POLICY:
    case WS_CLOSE_TOO_BIG:
        return follow_ended(f, ENDING_FAILED, why);
    default:
        return follow_ended(f, ENDING_AGAIN, why);
    }
}

/* True: it goes on. */
static bool take_step(struct follow *f, const struct frames_step *step, enum ending *ending)
{
    switch (step->event) {
    case FRAMES_MESSAGE:
        return follow_take(f, step->slice, ending);
    case FRAMES_PING:
        if (send_frame(f, WS_PONG, step->slice))
            return true;
        *ending = follow_ended(f, ENDING_AGAIN, f->wire.why);
        return false;
    case FRAMES_CLOSE:
        *ending = take_close(f, step);
        return false;
    case FRAMES_WRONG:
        *ending = follow_ended(f, ENDING_FAILED, step->why);
        return false;
    case FRAMES_PONG:
    case FRAMES_MORE:
        break;
    }
    return true;
}

/* What is there. False: the last of it, *ending says why. */
static bool take_frames(struct follow *f, enum ending *ending)
{
    struct span in = wire_unread(&f->wire);
    const size_t len = in.len;
    struct frames_step step;
    bool goes_on = true;
    while (goes_on && (step.event = frames_next(&in, &step)) != FRAMES_MORE)
        goes_on = take_step(f, &step, ending);
    wire_take(&f->wire, len - in.len);
    return goes_on;
}

static enum ending read_frames(struct follow *f)
{
    enum ending ending = ENDING_FAILED;
    while (take_frames(f, &ending)) {
        if (!follow_flush(f))
            return ENDING_FAILED;
        switch (wire_receive(&f->wire, f->options->silence_s * 1000)) {
        case WIRE_DATA:
            break;
        case WIRE_END:
            return follow_ended(f, ENDING_AGAIN, "the server left without a close frame");
        case WIRE_SILENT:
            return follow_ended(f, ENDING_AGAIN, "nothing was heard for too long");
        case WIRE_LOST:
            return follow_ended(f, ENDING_AGAIN, f->wire.why);
        }
    }
    return ending;
}

/* Sends the request and waits for the head of the answer. */
static bool shake_hands(struct follow *f, struct handshake *h, struct response *head,
                        size_t *head_len)
{
    struct text request = {0};
    handshake_add_request(&request, h, 0);
    const bool is_sent = !request.failed && wire_send(&f->wire, text_bytes(&request));
    text_fini(&request);
    return is_sent && answer_head(&f->wire, head, head_len);
}

static enum ending follow_as(struct follow *f, const struct url *url)
{
    struct handshake h;
    struct response head;
    size_t head_len;
    char why[HANDSHAKE_WHY_MAX];
    if (handshake_init(&h, url, "uproar.json") != 0)
        return follow_ended(f, ENDING_FAILED, "out of memory");
    if (!shake_hands(f, &h, &head, &head_len))
        return follow_ended(f, ENDING_AGAIN, f->wire.why);
    if (head.status != 101)
        return follow_refused(f);
    const char *fault = handshake_fault(&h, &head, why);
    if (fault)
        return follow_ended(f, ENDING_FAILED, fault);
    wire_take(&f->wire, head_len);
    follow_opened(f);
    return read_frames(f);
}

enum ending socket_follow(struct follow *f)
{
    struct text target = {0};
    struct url url = f->options->url;
    target_add_websocket(&target, f->options, follow_place(f));
    url.target = text_bytes(&target);
    const enum ending ending =
        target.failed ? follow_ended(f, ENDING_FAILED, "out of memory") : follow_as(f, &url);
    text_fini(&target);
    return ending;
}
