/* The table of flags, which modes they are for, and the readers of their values. What needs a look
 * at the machine or the network is judged later. */
#include "load/options.h"

#include "base/assert.h"
#include "cli/spelling.h"
#include "io/io.h"
#include "load/payload.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct row;
/* Reads value into o; false: *why says what is wrong with it. */
typedef bool take_fn(struct options *o, const struct row *row, const char *value, char *why);

struct row {
    const char *name, *value, *help;
    take_fn *take; /* NULL: the flag ends the reading */
    enum options_result ends;
    unsigned modes; /* enum load_mode, those that it is for; 0: all */
    size_t field;   /* of struct options */
    uint64_t min, max;
    const char *also; /* what other programs call it */
    char letter;      /* -n */
};

static take_fn take_count, take_io, take_switch, take_text;

#define FIELD(name) .field = offsetof(struct options, name)

enum {
    TALKING = LOAD_FANOUT | LOAD_ECHO | LOAD_COMPARE,
    SUBSCRIBING = LOAD_FANOUT | LOAD_ECHO | LOAD_IDLE | LOAD_CONNECT,
    RUNNING = SUBSCRIBING | LOAD_COMPARE,
};

static const struct row rows[] = {
    {"connections", "N", "connections in all; 50k, 1M (default 1000)", take_count,
     FIELD(connections), .min = 1, .max = 10000000, .letter = 'n', .also = "clients subscribers"},
    {"hold", "S", "idle: how long (default 10); fanout, echo: rest before the first message",
     take_count, .modes = LOAD_IDLE | LOAD_FANOUT | LOAD_ECHO, FIELD(hold_s), .max = 604800,
     .also = "duration time"},
    {"rate", "N", "connects per second (default as fast as it goes)", take_count, .modes = RUNNING,
     FIELD(rate), .min = 1, .max = 1000000},
    {"size", "BYTES", "of each message (default 64)", take_count, .modes = TALKING,
     FIELD(payload_len), .min = PAYLOAD_MIN, .max = 16 << 20, .also = "bytes payload"},
    {"messages", "N", "fanout: in all; echo: on each connection (default 100)", take_count,
     .modes = TALKING, FIELD(messages), .min = 1, .max = PAYLOAD_SEQ_MAX},
    {"every", "MS", "between messages; 0: when the last is answered (default 100, echo 0)",
     take_count, .modes = TALKING, FIELD(every_ms), .max = 3600000, .also = "interval"},
    {"publish", "URL", "where to POST messages (default the URL's own path)", take_text,
     .modes = LOAD_FANOUT, FIELD(publish)},
    {"subprotocol", "NAME", "WebSocket subprotocol to ask for", take_text, .modes = SUBSCRIBING,
     FIELD(subprotocol)},
    {"source", "LIST", "source addresses: A,B,FIRST-LAST (default enough of 127.0.0.0/8)",
     take_text, .modes = RUNNING, FIELD(source), .also = "bind local"},
    {"timeout", "S", "for a connection, an answer, a missing message (default 10)", take_count,
     .modes = RUNNING, FIELD(timeout_s), .min = 1, .max = 3600, .also = "wait patience"},
    {"drain", NULL, "ends the server of --pid at last, and counts who is told so", take_switch,
     .modes = LOAD_IDLE | LOAD_FANOUT, FIELD(drain), .also = "shutdown stop"},
    {"io", "auto|uring|epoll", "kernel interface (default auto)", take_io, FIELD(io)},
    {"pid", "PID", "the server's: its CPU time and memory are reported too", take_count,
     .modes = RUNNING, FIELD(pid), .min = 1, .max = 4194304},
    {"json", "FILE", "writes the figures to FILE as JSON", take_text, .modes = RUNNING, FIELD(json),
     .also = "output report"},
    {"version", NULL, "prints the version, and exits", .ends = OPTIONS_VERSION},
    {"help", NULL, "prints this, and exits", .ends = OPTIONS_HELP},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static const struct mode_row {
    const char *name, *help;
    enum load_mode mode;
} modes[] = {
    {"idle", "connects, holds, answers pings, counts who is dropped", LOAD_IDLE},
    {"fanout",
     "publishes messages and checks that every subscriber gets each once, in order, whole",
     LOAD_FANOUT},
    {"echo", "each connection sends and checks what comes back", LOAD_ECHO},
    {"connect", "connects, is let in, closes; N times", LOAD_CONNECT},
    {"compare", "WebSocket, SSE and long-poll side by side, of a topic of uproar's", LOAD_COMPARE},
    {"doctor", "says what would stop N connections here, and what mends it", LOAD_DOCTOR},
};

enum { MODE_COUNT = sizeof(modes) / sizeof(modes[0]) };

/* --- errors ----------------------------------------------------------------------------------- */

/* Always false, so that readers of values can return it. */
static bool PRINTF_LIKE(2, 3) complain(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, OPTIONS_WHY_MAX, format, args);
    va_end(args);
    /* One line, and harmless to a terminal, whatever was typed. */
    for (char *c = why; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return false;
}

/* --- values ----------------------------------------------------------------------------------- */

static uint64_t suffix_factor(const struct row *row, const char *suffix)
{
    const uint64_t k = row->field == offsetof(struct options, payload_len) ? 1024 : 1000;
    if (suffix[0] == '\0')
        return 1;
    if (suffix[1] != '\0')
        return 0;
    switch (suffix[0]) {
    case 'k':
    case 'K':
        return k;
    case 'm':
    case 'M':
        return k * k;
    default:
        return 0;
    }
}

static bool take_count(struct options *o, const struct row *row, const char *value, char *why)
{
    uint64_t number = 0;
    size_t at = 0;
    for (; value[at] >= '0' && value[at] <= '9' && number <= row->max; at++)
        number = number * 10 + (uint64_t)(value[at] - '0');
    while (value[at] >= '0' && value[at] <= '9')
        at++;
    const uint64_t factor = suffix_factor(row, value + at);
    if (at == 0 || factor == 0)
        return complain(why, "--%s %.80s: not a whole number (50000, 50k, 1M)", row->name, value);
    number *= factor; /* small enough: the reading stops past the limit */
    if (number < row->min || number > row->max)
        return complain(why, "--%s %.80s: must be %" PRIu64 " to %" PRIu64, row->name, value,
                        row->min, row->max);
    memcpy((char *)o + row->field, &number, sizeof(number));
    return true;
}

static bool take_io(struct options *o, const struct row *row, const char *value, char *why)
{
    if (strcmp(value, "auto") == 0)
        o->io = 0;
    else if (strcmp(value, "uring") == 0)
        o->io = IO_URING;
    else if (strcmp(value, "epoll") == 0)
        o->io = IO_EPOLL;
    else
        return complain(why, "--%s %.80s: must be %s", row->name, value, row->value);
    return true;
}

static bool take_switch(struct options *o, const struct row *row, const char *value, char *why)
{
    const uint64_t on = 1;
    (void)value;
    (void)why;
    memcpy((char *)o + row->field, &on, sizeof(on));
    return true;
}

static bool take_text(struct options *o, const struct row *row, const char *value, char *why)
{
    (void)why;
    memcpy((char *)o + row->field, &value, sizeof(value));
    return true;
}

/* --- names ------------------------------------------------------------------------------------ */

const char *options_mode_name(enum load_mode mode)
{
    for (size_t i = 0; i < MODE_COUNT; i++)
        if (modes[i].mode == mode)
            return modes[i].name;
    UNREACHABLE("load_mode");
}

static const struct row *row_find(struct bytes flag)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const uint8_t letter = (uint8_t)rows[i].letter;
        const bool is_letter = flag.len == 2 && letter && flag.at[1] == letter;
        const bool is_long = bytes_start_with(flag, BYTES_LITERAL("--")) &&
                             bytes_equal(bytes_skip(flag, 2), bytes_from(rows[i].name));
        if (is_letter || is_long)
            return &rows[i];
    }
    return NULL;
}

static bool complain_unknown(struct bytes flag, char *why)
{
    char typed[SPELLING_NAME_MAX + 1];
    struct bytes name = flag;
    while (name.len > 0 && name.at[0] == '-')
        name = bytes_skip(name, 1);
    snprintf(typed, sizeof(typed), "%.*s", (int)(name.len < 80 ? name.len : 80), name.at);
    const struct row *best = &rows[0];
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++)
        if (spelling_distance(typed, row->name, row->also) <
            spelling_distance(typed, best->name, best->also))
            best = row;
    return complain(why, "unknown flag %.*s, the nearest is --%s (--help shows all)",
                    (int)(flag.len < 80 ? flag.len : 80), flag.at, best->name);
}

static bool take_mode(struct options *o, const char *word, char *why)
{
    const struct mode_row *best = &modes[0];
    for (const struct mode_row *m = modes; m < modes + MODE_COUNT; m++)
        if (spelling_distance(word, m->name, NULL) < spelling_distance(word, best->name, NULL))
            best = m;
    if (strcmp(best->name, word) != 0)
        return complain(why, "unknown mode %.80s, the nearest is %s (--help shows all)", word,
                        best->name);
    o->mode = best->mode;
    return true;
}

static bool take_word(struct options *o, const char *word, char *why)
{
    if (o->mode == 0)
        return take_mode(o, word, why);
    if (o->url_count == OPTIONS_URLS_MAX)
        return complain(why, "unexpected '%.80s': there are %d URLs already", word,
                        OPTIONS_URLS_MAX);
    o->urls[o->url_count++] = word;
    return true;
}

/* --- the command line ------------------------------------------------------------------------- */

/* Flags that were given, to be held against the mode when it is known. */
struct given {
    bool row[ROW_COUNT];
};

static enum options_result take_flag(struct options *o, struct given *given, char *const **argv,
                                     char *why)
{
    const char *argument = *(*argv)++;
    const char *equals = strchr(argument, '=');
    const struct bytes flag = {(const uint8_t *)argument,
                               equals ? (size_t)(equals - argument) : strlen(argument)};
    const struct row *row = row_find(flag);
    if (!row) {
        complain_unknown(flag, why);
        return OPTIONS_WRONG;
    }
    if (!row->take)
        return row->ends;
    const char *value = equals ? equals + 1 : NULL;
    if (!row->value && value) {
        complain(why, "--%s takes no value", row->name);
        return OPTIONS_WRONG;
    }
    if (row->value && !value && **argv && strncmp(**argv, "--", 2) != 0)
        value = *(*argv)++;
    if (row->value && (!value || value[0] == '\0')) {
        complain(why, "--%s needs a value: --%s %s", row->name, row->name, row->value);
        return OPTIONS_WRONG;
    }
    given->row[row - rows] = true;
    return row->take(o, row, value, why) ? OPTIONS_RUN : OPTIONS_WRONG;
}

static bool whole_is_right(const struct options *o, const struct given *given, char *why)
{
    if (o->mode == 0)
        return complain(why, "a mode is missing: idle, fanout, echo, connect, compare or doctor");
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (given->row[i] && rows[i].modes && !(rows[i].modes & (unsigned)o->mode))
            return complain(why, "--%s is not for %s", rows[i].name, options_mode_name(o->mode));
    if (o->drain && !o->pid)
        return complain(why, "--drain needs --pid: whom to end");
    if (o->url_count == 0 && o->mode != LOAD_DOCTOR)
        return complain(why, "the URL is missing: ws://HOST:PORT/PATH or http://HOST:PORT/PATH");
    return true;
}

enum options_result options_parse(struct options *o, char *const *argv,
                                  char why[static OPTIONS_WHY_MAX])
{
    struct given given = {0};
    *o = (struct options){.connections = 1000,
                          .hold_s = OPTION_ABSENT,
                          .payload_len = 64,
                          .messages = 100,
                          .every_ms = OPTION_ABSENT,
                          .timeout_s = 10};
    why[0] = '\0';
    if (*argv)
        argv++; /* the program's name */
    while (*argv) {
        enum options_result result = OPTIONS_RUN;
        if ((*argv)[0] == '-')
            result = take_flag(o, &given, &argv, why);
        else if (!take_word(o, *argv++, why))
            result = OPTIONS_WRONG;
        if (result != OPTIONS_RUN)
            return result;
    }
    return whole_is_right(o, &given, why) ? OPTIONS_RUN : OPTIONS_WRONG;
}

void options_add_help(struct text *out)
{
    text_add_str(out,
                 "usage: uproar-load MODE [FLAG]... URL...\n\n"
                 "URL is ws://... for WebSocket, http://... for Server-Sent Events; {n} in its "
                 "path is the\nconnection's number. Connections take turns among several URLs."
                 "\n\nmodes:\n");
    for (size_t i = 0; i < MODE_COUNT; i++)
        text_printf(out, "  %-9s %s\n", modes[i].name, modes[i].help);
    text_add_str(out, "\nflags:\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char left[48], letter[8] = "";
        if (rows[i].letter)
            snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        text_printf(out, "  %-24s %s\n", left, rows[i].help);
    }
    text_add_str(out, "\nexit status: 0 nothing failed and nothing was lost, 1 something did, "
                      "2 usage\n");
}
