/* What really happened, kept apart from the code under test: every publish that was tried, what its
 * publisher was told, and the order that the log gave out. */
#pragma once

#include "base/bytes.h"
#include "log/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRUTH_TOPIC_MAX = 64, TRUTH_FILTERS_MAX = 8, TRUTH_PAYLOAD_MIN = 8 };

enum publish_state {
    PUBLISH_TRIED,    /* under way, or its publisher will never know: in the log at most once */
    PUBLISH_ACCEPTED, /* told its place: in the log there, and nowhere else */
    PUBLISH_REFUSED,  /* told that it was not taken: not in the log */
};

struct publish {
    char topic[TRUTH_TOPIC_MAX];
    uint32_t number, len; /* of its payload */
    enum publish_state state;
    uint64_t told_seq; /* 0: not told a place */
    uint64_t seq;      /* in the log; 0: not */
    uint64_t void_seq; /* in the log behind its topic's end; 0: not */
    bool is_binary;
    bool was_full; /* the log had no room for it, once at least */
};

/* One message of the log. */
struct entry {
    char topic[TRUTH_TOPIC_MAX];
    bool is_end;     /* of its topic */
    bool is_void;    /* its topic was finished before: nobody gets it */
    uint32_t number; /* the publish */
    uint64_t ordered_ns;
    int64_t time_ms; /* its time stamp */
    uint64_t bytes;  /* of history */
    uint64_t oldest; /* the oldest entry that is retained once this one is in: by count and bytes */
};

struct truth {
    uint64_t epoch;
    const uint64_t *now_ns;
    uint32_t payload_max;      /* a longer one is not taken */
    struct publish *publishes; /* by number */
    uint32_t publish_count, publish_capacity;
    struct entry *entries; /* [seq]; 0 is nobody */
    uint64_t head;
    uint64_t entry_capacity;
    unsigned end_count;
    uint64_t history_count, history_bytes; /* what is retained at most, and at least */
    uint64_t inbox_capacity;
    uint64_t append_count, refused_count, ordered_count; /* entries, that is chains */
};

/* One at a time: the log's order is observed from below (the linker puts truth in front of
 * log_order()). */
void truth_init(struct truth *t, const uint64_t *now_ns);
/* For those who stand in front of a function of the log. */
struct truth *truth_present(void);
void truth_fini(struct truth *t);
void truth_set_epoch(struct truth *t, uint64_t epoch);
/* What the history has room for. */
void truth_set_history(struct truth *t, uint64_t count, uint64_t bytes);
/* How many entries may wait for their place before one is refused. */
void truth_set_inbox(struct truth *t, uint64_t capacity);
/* The oldest entry that is not older than that; one behind the head when all are. */
uint64_t truth_oldest_since(const struct truth *t, int64_t time_ms);

/* A new publish; its payload is truth_payload(). The topic and length are the caller's choice. */
uint32_t truth_new_publish(struct truth *t, const char *topic, uint32_t len, bool is_binary);
/* The payload of a publish: its number in decimal, ':', and filler that depends on the number, cut
 * or filled to len (TRUTH_PAYLOAD_MIN at least); text: with line ends of all kinds, quotes, control
 * characters and UTF-8 of several bytes here and there, valid as a whole. out: len bytes. */
void truth_payload(const struct publish *p, uint8_t *out);
/* The number in a payload; fails ("payload") when it is not exactly that of a known publish. */
uint32_t truth_number_of(const struct truth *t, struct bytes payload, const char *who);
/* The same for text that was the data of an event: there every line end, be it CR, LF or both, has
 * become LF (WHATWG HTML, 9.2.6). */
uint32_t truth_number_by_sse(const struct truth *t, struct bytes payload, const char *who);
/* Is it the payload of that publish? */
bool truth_is_payload(const struct truth *t, uint32_t number, struct bytes got, bool by_sse);

/* What a publisher learns. Fails at once when the log already contradicts it. */
void truth_accepted(struct truth *t, uint32_t number, uint64_t epoch, uint64_t seq);
/* Accepted, but its place was not told: it is in the log sooner or later. */
void truth_taken(struct truth *t, uint32_t number);
void truth_refused(struct truth *t, uint32_t number);
/* The newest message that a publisher knows to be in the log; 0: none. */
uint64_t truth_newest_told(const struct truth *t);
/* Is every accepted one in the log? A thread is told so when its own is on the way. */
bool truth_is_complete(const struct truth *t);
/* At the end: every accepted one is in the log exactly once, no refused one is. */
void truth_judge(const struct truth *t);

/* --- what a subscription may see -------------------------------------------------------------- */

struct filters {
    char names[TRUTH_FILTERS_MAX][TRUTH_TOPIC_MAX];
    unsigned count;
};

/* `*` one level, `#` any number of them at the end, also none. Written apart from src/. */
bool filters_match(const struct filters *f, const char *topic);
/* Is it one topic, and no pattern, however often it is named? That topic alone has an end. */
bool filters_are_one_topic(const struct filters *f);
/* The next entry behind `after` that they match; ends of topics only when they are one topic.
 * 0: none. */
uint64_t truth_next(const struct truth *t, const struct filters *f, uint64_t after);
/* How many messages, ends apart, there are behind `after`, up to and with `until`. */
unsigned truth_count(const struct truth *t, const struct filters *f, uint64_t after,
                     uint64_t until);
/* The last one before or at `until`; 0: none. */
uint64_t truth_last(const struct truth *t, const struct filters *f, uint64_t until);
