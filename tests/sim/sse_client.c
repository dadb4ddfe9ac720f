/* Lines to blocks. What an event means is not known here. */
#include "sim/sse_client.h"

#include "sim/failure.h"

#include <string.h>

static void forget_block(struct sse_client *c)
{
    c->has_id = c->has_event = c->has_data = c->has_retry = c->is_told = false;
    c->id[0] = c->event[0] = '\0';
    buffer_clear(&c->data);
}

void sse_client_reset(struct sse_client *c)
{
    forget_block(c);
    c->heartbeat_count = 0;
}

void sse_client_fini(struct sse_client *c)
{
    buffer_fini(&c->data);
}

static bool has_field(const struct sse_client *c)
{
    return c->has_id || c->has_event || c->has_data || c->has_retry;
}

bool sse_client_may_end(const struct sse_client *c)
{
    return c->is_told || !has_field(c);
}

static void keep(const struct sse_client *c, bool *has, char out[static SSE_FIELD_MAX],
                 struct bytes value)
{
    SIM_CHECK("protocol", !*has, "%s: a field twice in one block", c->who);
    SIM_CHECK("protocol", value.len < SSE_FIELD_MAX && !memchr(value.at, '\0', value.len),
              "%s: a field too long, or with NUL", c->who);
    memcpy(out, value.at, value.len);
    out[value.len] = '\0';
    *has = true;
}

/* Lines of data are joined by LF. */
static void read_data(struct sse_client *c, struct bytes value)
{
    if (c->has_data)
        buffer_add_str(&c->data, "\n");
    buffer_add(&c->data, value);
    c->has_data = true;
}

static void read_retry(struct sse_client *c, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        SIM_CHECK("protocol", value.at[i] >= '0' && value.at[i] <= '9', "%s: retry: %.*s", c->who,
                  (int)value.len, (const char *)value.at);
    c->has_retry = true;
}

static void read_field(struct sse_client *c, struct bytes line)
{
    const uint8_t *colon = memchr(line.at, ':', line.len);
    const struct bytes name = {line.at, colon ? (size_t)(colon - line.at) : line.len};
    struct bytes value = colon ? bytes_skip(line, name.len + 1) : BYTES_LITERAL("");
    if (value.len > 0 && value.at[0] == ' ')
        value = bytes_skip(value, 1);
    if (bytes_equal(name, BYTES_LITERAL("data")))
        read_data(c, value);
    else if (bytes_equal(name, BYTES_LITERAL("id")))
        keep(c, &c->has_id, c->id, value);
    else if (bytes_equal(name, BYTES_LITERAL("event")))
        keep(c, &c->has_event, c->event, value);
    else if (bytes_equal(name, BYTES_LITERAL("retry")))
        read_retry(c, value);
    else
        sim_fail("protocol", "%s: a line %.*s in an event stream", c->who, (int)line.len,
                 (const char *)line.at);
}

/* True: it ended a block. */
static bool read_line(struct sse_client *c, struct bytes line)
{
    if (line.len == 0) {
        SIM_CHECK("protocol", has_field(c), "%s: an empty block", c->who);
        return true;
    }
    SIM_CHECK("protocol", !memchr(line.at, '\r', line.len), "%s: CR in an event stream", c->who);
    if (line.at[0] != ':') {
        read_field(c, line);
        return false;
    }
    SIM_CHECK("protocol", !has_field(c), "%s: a comment in the middle of an event", c->who);
    c->heartbeat_count++;
    return false;
}

bool sse_client_read(struct sse_client *c, struct buffer *in)
{
    if (c->is_told)
        forget_block(c);
    for (;;) {
        const struct bytes rest = buffer_bytes(in);
        const uint8_t *lf = rest.len > 0 ? memchr(rest.at, '\n', rest.len) : NULL;
        if (!lf)
            return false;
        const struct bytes line = {rest.at, (size_t)(lf - rest.at)};
        c->is_told = read_line(c, line);
        buffer_take(in, line.len + 1);
        if (c->is_told)
            return true;
    }
}
