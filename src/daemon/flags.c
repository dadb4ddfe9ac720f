/* The table of flags and the readers of their values. What a value means is the library's business.
 */
#include "daemon/flags.h"

#include "cli/spelling.h"
#include "daemon/address.h"
#include "daemon/origin.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KIB 1024ull
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)

struct row;
/* Reads value into f; false: *why says what is wrong with it. value is NULL for a switch. */
typedef bool take_fn(struct flags *f, const struct row *row, const char *value, char *why);

struct row {
    const char *name, *value, *help; /* value == NULL: a switch */
    take_fn *take;                   /* NULL: the flag ends the reading */
    enum flags_result ends;
    size_t field;      /* of struct flags */
    uint64_t min, max; /* take_choice: min is what the first one is stored as */
    const char *also;  /* what other programs call it */
};

static take_fn take_listen, take_choice, take_count, take_bytes, take_seconds, take_origin,
    take_file, take_switch;

#define FIELD(name) .field = offsetof(struct flags, name)

static const struct row rows[] = {
    {"listen", "ADDR:PORT", "where to listen; repeatable (default 127.0.0.1:8080)",
     .take = take_listen, .also = "port host bind address"},
    {"threads", "N", "reactor threads (default one per usable CPU)", .take = take_count,
     FIELD(thread_count), .min = 1, .max = 256, .also = "workers reactors"},
    {"io", "auto|uring|epoll", "kernel interface (default auto)", .take = take_choice, FIELD(io),
     .min = UPROAR_IO_AUTO},
    {"max-connections", "N", "peers at a time (default what the system allows)", .take = take_count,
     FIELD(connection_count_max), .min = 1, .max = 100000000},
    {"max-message", "BYTES", "longest message that is taken (default 1M)", .take = take_bytes,
     FIELD(message_bytes_max), .min = 1, .max = GIB / 4},
    {"body-memory", "BYTES", "memory for unfinished messages (default 256M)", .take = take_bytes,
     FIELD(body_memory), .min = 1, .max = TIB},
    {"history-messages", "N", "messages kept to resume from (default 65536)", .take = take_count,
     FIELD(history_count), .min = 1, .max = 100000000},
    {"history-bytes", "BYTES", "memory they may take (default 64M)", .take = take_bytes,
     FIELD(history_bytes), .min = 1, .max = TIB},
    {"history-seconds", "S", "how long they are kept (default 300)", .take = take_seconds,
     FIELD(history_ms), .min = 1, .max = 86400},
    {"slow", "close|skip|latest", "what too slow a subscriber gets (default close)",
     .take = take_choice, FIELD(slow), .min = UPROAR_SLOW_CLOSE},
    {"heartbeat", "S", "between comments on a quiet SSE stream (default 15)", .take = take_seconds,
     FIELD(heartbeat_ms), .min = 1, .max = 86400},
    {"ping", "S", "between pings on a quiet WebSocket (default 25)", .take = take_seconds,
     FIELD(ping_ms), .min = 1, .max = 86400},
    {"drain", "S", "goodbyes are spread over it; 0: at once (default 10)", .take = take_seconds,
     FIELD(drain_ms), .min = 0, .max = 86400},
    {"stream-max", "S", "an event stream ends after it (default off)", .take = take_seconds,
     FIELD(stream_max_ms), .min = 1, .max = 86400},
    {"allow-origin", "ORIGIN", "lets web pages of scheme://host[:port] in; repeatable",
     .take = take_origin},
    {"publish-token", "FILE", "publishers must show the token in FILE", .take = take_file,
     FIELD(publish_token_file)},
    {"subscribe-token", "FILE", "subscribers must show the token in FILE", .take = take_file,
     FIELD(subscribe_token_file)},
    {"admin-token", "FILE", "who shows the token in FILE may finish topics", .take = take_file,
     FIELD(admin_token_file)},
    {"deflate", "off|shared|full", "WebSocket compression (default shared)", .take = take_choice,
     FIELD(deflate), .min = UPROAR_DEFLATE_OFF, .also = "compression gzip"},
    {"deflate-min", "BYTES", "shorter messages are not (default 256)", .take = take_bytes,
     FIELD(deflate_bytes_min), .min = 0, .max = GIB / 4},
    {"target", NULL, "serves /echo and /headers too (max-message 16M)", .take = take_switch,
     FIELD(target)},
    {"log-json", NULL, "log lines are JSON objects", .take = take_switch, FIELD(log_json)},
    {"version", NULL, "prints version and malloc, and exits", .ends = FLAGS_VERSION},
    {"help", NULL, "prints this, and exits", .ends = FLAGS_HELP},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* --- errors ----------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3))) complain(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, FLAGS_WHY_MAX, format, args);
    va_end(args);
    /* One line, and harmless to a terminal, whatever was typed. */
    for (char *c = why; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

/* Always false, so that readers of values can return it. */
static bool refuse(const struct row *row, const char *value, char *why, const char *rule)
{
    complain(why, "--%s %.80s: %s", row->name, value, rule);
    return false;
}

/* --- values ----------------------------------------------------------------------------------- */

/* Digits only, no sign; too large for 64 bits is UINT64_MAX. Returns what stands behind them. */
static const char *digits_parse(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        const bool fits = !__builtin_mul_overflow(value, 10ull, &value) &&
                          !__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value);
        if (!fits)
            value = UINT64_MAX;
    }
    *out = value;
    return text;
}

static uint64_t suffix_factor(char c)
{
    switch (c) {
    case 'k':
    case 'K':
        return KIB;
    case 'm':
    case 'M':
        return MIB;
    case 'g':
    case 'G':
        return GIB;
    default:
        return 0;
    }
}

/* 1G rather than 1073741824, where it is exact. */
static void bytes_format(uint64_t bytes, char out[static 24])
{
    static const char suffixes[] = "GMk";
    for (const char *s = suffixes; *s; s++) {
        if (bytes >= suffix_factor(*s) && bytes % suffix_factor(*s) == 0) {
            snprintf(out, 24, "%" PRIu64 "%c", bytes / suffix_factor(*s), *s);
            return;
        }
    }
    snprintf(out, 24, "%" PRIu64, bytes);
}

static void number_store(struct flags *f, const struct row *row, uint64_t value)
{
    memcpy((char *)f + row->field, &value, sizeof(value));
}

static bool number_parse(const struct row *row, const char *value, uint64_t *out, char *why)
{
    char range[64];
    const char *end = digits_parse(value, out);
    if (*end != '\0')
        return refuse(row, value, why, "not a whole number");
    snprintf(range, sizeof(range), "must be %" PRIu64 " to %" PRIu64, row->min, row->max);
    return (*out >= row->min && *out <= row->max) || refuse(row, value, why, range);
}

static bool take_count(struct flags *f, const struct row *row, const char *value, char *why)
{
    uint64_t count;
    if (!number_parse(row, value, &count, why))
        return false;
    number_store(f, row, count);
    return true;
}

static bool take_seconds(struct flags *f, const struct row *row, const char *value, char *why)
{
    uint64_t seconds;
    if (!number_parse(row, value, &seconds, why))
        return false;
    /* To the library 0 is "the default"; one millisecond is its "at once". */
    number_store(f, row, seconds > 0 ? seconds * 1000 : 1);
    return true;
}

static bool take_bytes(struct flags *f, const struct row *row, const char *value, char *why)
{
    char min[24], max[24], range[64];
    uint64_t bytes;
    const char *end = digits_parse(value, &bytes);
    const uint64_t factor = *end ? suffix_factor(*end) : 1;
    if (end == value || factor == 0 || (*end && end[1]))
        return refuse(row, value, why, "not a number of bytes (such as 65536, 64k, 1M or 1G)");
    if (__builtin_mul_overflow(bytes, factor, &bytes))
        bytes = UINT64_MAX;
    bytes_format(row->min, min);
    bytes_format(row->max, max);
    snprintf(range, sizeof(range), "must be %s to %s", min, max);
    if (bytes < row->min || bytes > row->max)
        return refuse(row, value, why, range);
    /* To the library 0 is "the default"; one byte is its "all that say anything". */
    number_store(f, row, bytes > 0 ? bytes : 1);
    return true;
}

static_assert(UPROAR_DEFLATE_SHARED == UPROAR_DEFLATE_OFF + 1 &&
                  UPROAR_DEFLATE_FULL == UPROAR_DEFLATE_OFF + 2,
              "--deflate names them in this order");
static_assert(UPROAR_IO_URING == UPROAR_IO_AUTO + 1 && UPROAR_IO_EPOLL == UPROAR_IO_AUTO + 2,
              "--io names them in this order");
static_assert(UPROAR_SLOW_SKIP == UPROAR_SLOW_CLOSE + 1 &&
                  UPROAR_SLOW_LATEST == UPROAR_SLOW_CLOSE + 2,
              "--slow names them in this order");

/* row->value lists the names: a|b|c. */
static bool take_choice(struct flags *f, const struct row *row, const char *value, char *why)
{
    char rule[64];
    uint64_t choice = row->min;
    size_t len;
    for (const char *name = row->value; name[0] != '\0'; name += len + (name[len] == '|')) {
        len = strcspn(name, "|");
        if (strlen(value) == len && memcmp(value, name, len) == 0) {
            number_store(f, row, choice);
            return true;
        }
        choice++;
    }
    snprintf(rule, sizeof(rule), "must be %s", row->value);
    return refuse(row, value, why, rule);
}

static bool listens_already(const struct flags *f, const struct address *wanted)
{
    struct address other;
    for (size_t i = 0; i < f->listen_count; i++)
        if (address_parse(f->listen[i].address, &other) && address_is_equal(&other, wanted))
            return wanted->port != 0;
    return false;
}

static bool take_listen(struct flags *f, const struct row *row, const char *value, char *why)
{
    struct address address;
    if (!address_parse(value, &address))
        return refuse(row, value, why, "must be ADDR:PORT, such as 127.0.0.1:8080 or [::]:8080");
    if (listens_already(f, &address))
        return refuse(row, value, why, "given twice");
    if (f->listen_count == FLAGS_LISTEN_MAX)
        return refuse(row, value, why, "at most 16 addresses");
    f->listen[f->listen_count++].address = value;
    return true;
}

static bool take_origin(struct flags *f, const struct row *row, const char *value, char *why)
{
    if (!origin_is_valid(value))
        return refuse(row, value, why,
                      "must be scheme://host[:port] and no path, such as "
                      "https://example.org");
    if (f->origin_count == FLAGS_ORIGINS_MAX)
        return refuse(row, value, why, "at most 64 origins");
    f->origins[f->origin_count++] = value;
    return true;
}

static bool take_file(struct flags *f, const struct row *row, const char *value, char *why)
{
    (void)why;
    memcpy((char *)f + row->field, &value, sizeof(value));
    return true;
}

static bool take_switch(struct flags *f, const struct row *row, const char *value, char *why)
{
    (void)value, (void)why;
    memcpy((char *)f + row->field, &(bool){true}, sizeof(bool));
    return true;
}

/* --- names ------------------------------------------------------------------------------------ */

static size_t row_distance(const struct row *row, const char *typed)
{
    return spelling_distance(typed, row->name, row->also);
}

static const struct row *row_nearest(const char *typed)
{
    const struct row *best = &rows[0];
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++)
        if (row_distance(row, typed) < row_distance(best, typed))
            best = row;
    return best;
}

static const struct row *row_find(const char *name, size_t len)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    return NULL;
}

/* --- the command line ------------------------------------------------------------------------- */

static void complain_unknown(const char *flag, size_t len, char *why)
{
    char typed[SPELLING_NAME_MAX + 1];
    const int shown = len < 80 ? (int)len : 80;
    const int dashes = (int)strspn(flag, "-");
    snprintf(typed, sizeof(typed), "%.*s", shown > dashes ? shown - dashes : 0, flag + dashes);
    complain(why, "unknown flag %.*s, the nearest is --%s (--help shows all)", shown, flag,
             row_nearest(typed)->name);
}

/* Splits `--name=value` or `--name`; NULL: *why says why there is no such flag. */
static const struct row *row_of_argument(const char *argument, const char **value, char *why)
{
    if (argument[0] != '-' || argument[1] == '\0') {
        complain(why, "unexpected '%.80s': there are only flags here, they begin with --",
                 argument);
        return NULL;
    }
    const char *equals = strchr(argument, '=');
    const size_t len = equals ? (size_t)(equals - argument) : strlen(argument);
    const bool is_long = strncmp(argument, "--", 2) == 0;
    const struct row *row = is_long ? row_find(argument + 2, len - 2) : NULL;
    if (!row)
        complain_unknown(argument, len, why);
    *value = equals ? equals + 1 : NULL;
    return row;
}

/* One flag with its value, which may be the next argument: *argv moves on past both. */
static enum flags_result parse_one(struct flags *f, char *const **argv, char *why)
{
    const char *value;
    const struct row *row = row_of_argument(*(*argv)++, &value, why);
    if (!row)
        return FLAGS_WRONG;
    if (!row->value && value) {
        complain(why, "--%s takes no value", row->name);
        return FLAGS_WRONG;
    }
    if (row->value && !value) {
        /* A flag in its place: then the value was forgotten, not meant. */
        if (**argv && strncmp(**argv, "--", 2) != 0)
            value = *(*argv)++;
    }
    if (row->value && (!value || value[0] == '\0')) {
        complain(why, "--%s needs a value: --%s %s", row->name, row->name, row->value);
        return FLAGS_WRONG;
    }
    if (!row->take)
        return row->ends;
    return row->take(f, row, value, why) ? FLAGS_RUN : FLAGS_WRONG;
}

enum flags_result flags_parse(struct flags *f, char *const *argv, char why[static FLAGS_WHY_MAX])
{
    *f = (struct flags){0};
    why[0] = '\0';
    if (*argv)
        argv++; /* the program's name */
    while (*argv) {
        const enum flags_result result = parse_one(f, &argv, why);
        if (result != FLAGS_RUN)
            return result;
    }
    if (f->listen_count == 0)
        f->listen[f->listen_count++].address = "127.0.0.1:8080";
    return FLAGS_RUN;
}

void flags_fill_options(const struct flags *f, struct uproar_options *o)
{
    o->listen = f->listen;
    o->listen_count = f->listen_count;
    o->io = (enum uproar_io)f->io;
    o->thread_count = (unsigned)f->thread_count;
    o->connection_count_max = (uint32_t)f->connection_count_max;
    o->message_bytes_max = (uint32_t)f->message_bytes_max;
    o->body_memory = f->body_memory;
    o->history_count = (uint32_t)f->history_count;
    o->history_ms = (uint32_t)f->history_ms;
    o->history_bytes = f->history_bytes;
    o->heartbeat_ms = (uint32_t)f->heartbeat_ms;
    o->ping_ms = (uint32_t)f->ping_ms;
    o->drain_ms = (uint32_t)f->drain_ms;
    o->stream_max_ms = (uint32_t)f->stream_max_ms;
    o->slow = (enum uproar_slow)f->slow;
    o->deflate = (enum uproar_deflate)f->deflate;
    o->deflate_bytes_min = (uint32_t)f->deflate_bytes_min;
    o->target = f->target;
    o->allow_origins = f->origins;
}

void flags_print_help(FILE *out)
{
    fputs("usage: uproar [--FLAG VALUE | --FLAG=VALUE]...\n"
          "WebSocket and Server-Sent Events over one ordered log of messages.\n\n",
          out);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        fprintf(out, "  %-24s %s\n", left, rows[i].help);
    }
    fputs("\nN: a whole number. S: whole seconds. BYTES: a whole number, also with k, M "
          "or G\nfor 1024, 1024^2, 1024^3. Of a flag that is not repeatable the last one "
          "counts.\n",
          out);
}
