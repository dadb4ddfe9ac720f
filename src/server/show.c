/* Messages as uproar.h has them: views into the log's, which live as long as the reference that the
 * caller holds. Nothing is copied. */
#include "server/server_internal.h"

static uint64_t from(uint32_t slot_count, const struct message_origin *origin)
{
    const struct peer_name name = {origin->reactor, origin->conn, origin->generation};
    return origin->reactor == ORIGIN_NONE ? 0 : peer_id(slot_count, &name);
}

void message_show(uint32_t slot_count, const struct message *m, struct uproar_message *out)
{
    *out = (struct uproar_message){
        .topic = str_of(message_topic(m)),
        .body = str_of(message_payload(m)),
        .event = str_of(message_event(m)),
        .content_type = str_of(message_content_type(m)),
        .kind = m->kind == MESSAGE_TEXT ? UPROAR_TEXT : UPROAR_BINARY,
        .time_ms = m->time_ms,
        .from = {from(slot_count, &m->origin)},
    };
}

size_t message_show_headers(const struct message *m,
                            struct uproar_header out[static HEADER_COUNT_MAX])
{
    struct message_header h;
    size_t at = 0, count = 0;
    while (count < HEADER_COUNT_MAX && message_next_header(m, &at, &h))
        out[count++] = (struct uproar_header){str_of(h.name), str_of(h.value)};
    return count;
}
