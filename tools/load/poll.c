/* Answers with a length; envelopes are told apart by what they begin with, which no payload has. */
#include "load/poll.h"

#define ENVELOPE BYTES_LITERAL("{\"id\":\"")

enum poll_parse poll_parse(struct bytes *in, struct poll_answer *out)
{
    struct response r;
    size_t head_len;
    switch (response_parse(*in, &r, &head_len)) {
    case RESPONSE_MORE:
        return POLL_MORE;
    case RESPONSE_BAD:
        return POLL_BAD;
    case RESPONSE_DONE:
        break;
    }
    const uint64_t body_len = r.status == 204 ? 0 : r.content_length;
    if (r.status != 204 && !r.has_length)
        return POLL_BAD;
    if (in->len - head_len < body_len)
        return POLL_MORE;
    *out = (struct poll_answer){
        r.status, response_field(&r, "uproar-cursor"), {in->at + head_len, (size_t)body_len}};
    *in = bytes_skip(*in, head_len + (size_t)body_len);
    return POLL_DONE;
}

static size_t find_envelope(struct bytes in, size_t from)
{
    const struct bytes mark = ENVELOPE;
    for (size_t at = from; at + mark.len <= in.len; at++)
        if (bytes_start_with(bytes_skip(in, at), mark))
            return at;
    return in.len;
}

bool poll_next(struct bytes *body, struct bytes *message)
{
    const size_t begin = find_envelope(*body, 0);
    if (begin == body->len)
        return false;
    const size_t end = find_envelope(*body, begin + 1);
    *message = (struct bytes){body->at + begin, end - begin};
    *body = bytes_skip(*body, end);
    return true;
}
