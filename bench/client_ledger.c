/* The ledger. With several publishers the server decides the order, so the first subscriber to
 * reach a position fixes its message and all others must agree: that is what a total order means.
 * Does not stop at the first error: it counts. */
#include "client_ledger.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* compressible: to about a quarter, like much of what is sent: two bits of chance a letter. */
static void fill(uint8_t *payload, size_t len, uint32_t seed, bool compressible)
{
    uint32_t random = seed;
    for (size_t k = 0; k < len; k++) {
        random = random * 1664525u + 1013904223u;
        payload[k] = (uint8_t)('a' + (compressible ? random >> 30 : (k * 7 + seed) % 26));
    }
}

static int slots_init(struct ledger *l, bool compressible)
{
    for (uint32_t i = 0; i < l->window; i++) {
        uint8_t *payload = alloc_bytes(l->payload_len + 1);
        if (!payload)
            return -ENOMEM;
        fill(payload, l->payload_len, i, compressible);
        l->slots[i].payload = payload;
    }
    return 0;
}

int ledger_init(struct ledger *l, const struct client_options *o)
{
    *l = (struct ledger){.window = o->window,
                         .subscribers = o->conns,
                         .publishers = o->publishers,
                         .payload_len = (size_t)o->payload_len};
    l->slots = alloc_zeroed(l->window * sizeof(*l->slots));
    l->order = alloc_zeroed(l->window * sizeof(*l->order));
    l->publisher_next = alloc_zeroed(l->publishers * sizeof(*l->publisher_next));
    l->latency = alloc_zeroed(sizeof(*l->latency));
    if (!l->slots || !l->order || !l->publisher_next || !l->latency)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->publishers; i++)
        l->publisher_next[i] = i;
    return slots_init(l, o->deflate);
}

void ledger_fini(struct ledger *l)
{
    for (uint32_t i = 0; l->slots && i < l->window; i++)
        alloc_free(l->slots[i].payload);
    alloc_free(l->slots);
    alloc_free(l->order);
    alloc_free(l->publisher_next);
    alloc_free(l->latency);
}

static struct ledger_slot *slot_of(const struct ledger *l, uint64_t seq)
{
    return &l->slots[seq % l->window];
}

bool ledger_has_room(const struct ledger *l)
{
    return slot_of(l, l->next_seq)->waiting == 0;
}

struct bytes ledger_publish(struct ledger *l, uint64_t now_ns)
{
    char digits[LEDGER_SEQ_DIGITS + 1];
    struct ledger_slot *slot = slot_of(l, l->next_seq);
    slot->seq = l->next_seq++;
    slot->sent_ns = now_ns;
    slot->waiting = l->subscribers + 1;
    slot->placed = false;
    snprintf(digits, sizeof(digits), "%016" PRIx64, slot->seq);
    memcpy(slot->payload, digits, LEDGER_SEQ_DIGITS);
    return (struct bytes){slot->payload, l->payload_len};
}

static void slot_settle(struct ledger *l, struct ledger_slot *slot, uint32_t n)
{
    slot->waiting -= n;
    if (slot->waiting == 0)
        l->finished++;
}

void ledger_answered(struct ledger *l, uint64_t seq)
{
    struct ledger_slot *slot = slot_of(l, seq);
    if (slot->seq == seq && slot->waiting > 0)
        slot_settle(l, slot, 1);
}

/* The message in flight that these bytes are, or NULL. */
static struct ledger_slot *slot_by_payload(const struct ledger *l, struct bytes payload)
{
    uint64_t seq = 0;
    if (payload.len != l->payload_len)
        return NULL;
    for (size_t i = 0; i < LEDGER_SEQ_DIGITS; i++) {
        const uint8_t c = payload.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return NULL;
        seq = seq << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    struct ledger_slot *slot = slot_of(l, seq);
    if (slot->seq != seq || memcmp(slot->payload, payload.at, payload.len) != 0)
        return NULL;
    return slot;
}

/* Messages of the same publisher that were passed over: nobody gets them any more. */
static void place_gap(struct ledger *l, uint64_t from_seq, uint64_t to_seq)
{
    for (uint64_t seq = from_seq; seq < to_seq; seq += l->publishers) {
        struct ledger_slot *slot = slot_of(l, seq);
        slot_settle(l, slot, l->subscribers < slot->waiting ? l->subscribers : slot->waiting);
    }
}

/* A subscriber is the first at a position: whatever it got is the order, if it makes sense. */
static bool place(struct ledger *l, struct bytes payload)
{
    struct ledger_slot *slot = slot_by_payload(l, payload);
    if (!slot)
        return false;
    uint64_t *next = &l->publisher_next[slot->seq % l->publishers];
    if (slot->placed || slot->seq < *next)
        return false;
    place_gap(l, *next, slot->seq);
    *next = slot->seq + l->publishers;
    slot->placed = true;
    l->order[l->placed++ % l->window] = slot->seq;
    return true;
}

/* How far ahead of the position this message lies in the order; 0: it does not. */
static uint64_t steps_ahead(const struct ledger *l, uint64_t position, uint64_t seq)
{
    for (uint64_t ahead = 1; position + ahead < l->placed; ahead++)
        if (l->order[(position + ahead) % l->window] == seq)
            return ahead;
    return 0;
}

/* Names what is wrong with a message that is not the expected one. A position moves on only over
 * messages that are known to be lost. */
static void deliver_wrong(struct ledger *l, uint64_t *position, struct bytes payload)
{
    const struct ledger_slot *slot = slot_by_payload(l, payload);
    if (!slot) {
        l->corrupt++;
        return;
    }
    const uint64_t ahead = slot->placed ? steps_ahead(l, *position, slot->seq) : 0;
    if (!slot->placed)
        l->disordered++;
    else if (ahead == 0)
        l->duplicated++;
    for (uint64_t i = 0; i < ahead; i++)
        slot_settle(l, slot_of(l, l->order[(*position)++ % l->window]), 1);
}

void ledger_deliver(struct ledger *l, uint64_t *position, struct bytes payload, uint64_t now_ns)
{
    if (*position == l->placed && !place(l, payload)) {
        deliver_wrong(l, position, payload);
        return;
    }
    struct ledger_slot *slot = slot_of(l, l->order[*position % l->window]);
    if (payload.len != l->payload_len || memcmp(slot->payload, payload.at, payload.len) != 0) {
        const uint64_t before = *position;
        deliver_wrong(l, position, payload);
        if (*position == before)
            return;
        slot = slot_of(l, l->order[*position % l->window]);
    }
    ++*position;
    l->deliveries++;
    if (l->recording)
        histogram_record(l->latency, now_ns - slot->sent_ns);
    slot_settle(l, slot, 1);
}

uint64_t ledger_lost(const struct ledger *l)
{
    return l->next_seq * l->subscribers - l->deliveries;
}

bool ledger_is_clean(const struct ledger *l)
{
    return ledger_lost(l) == 0 && l->duplicated == 0 && l->corrupt == 0 && l->disordered == 0;
}
