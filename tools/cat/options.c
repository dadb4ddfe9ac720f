/* The table of flags, the readers of their values, and what must hold between them. */
#include "cat/options.h"

#include "cli/spelling.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct row;
/* Reads value into o; false: *why says what is wrong with it. */
typedef bool take_fn(struct options *o, const struct row *row, const char *value, char *why);

struct row {
    const char *name, *value, *help;
    take_fn *take; /* NULL: the flag ends the reading */
    enum options_result ends;
    size_t field; /* of struct options */
    uint64_t min, max;
    const char *also;             /* what other programs call it */
    char letter;                  /* -n */
    bool publishing, subscribing; /* which of the two it is for; neither: both */
};

static take_fn take_count, take_switch, take_text, take_token;

#define FIELD(name) .field = offsetof(struct options, name)

static const struct row rows[] = {
    {"after", "CURSOR", "begins there: a message's id, earliest, now (default now)", take_text,
     FIELD(after), .subscribing = true, .also = "since from"},
    {"last", "N", "begins with the newest N messages", take_count, FIELD(last), .max = 1000,
     .subscribing = true, .also = "tail history"},
    {"count", "N", "ends after N messages", take_count, FIELD(count), .min = 1, .max = UINT32_MAX,
     .letter = 'n', .subscribing = true, .also = "messages limit"},
    {"json", NULL, "an envelope a line, gaps too; with -p: the server's answers", take_switch,
     FIELD(json), .also = "envelope"},
    {"publish", NULL, "publishes the lines of standard input", take_switch, FIELD(publish),
     .letter = 'p', .also = "send post stdin"},
    {"event", "NAME", "the event name of what is published", take_text, FIELD(event),
     .publishing = true},
    {"type", "TYPE", "the content type of what is published", take_text, FIELD(type),
     .publishing = true, .also = "content mime"},
    {"null", NULL, "NUL ends a message of standard input, not a line end", take_switch, FIELD(nul),
     .letter = '0', .publishing = true},
    {"again", NULL, "sends once more what may have been taken: it may come twice", take_switch,
     FIELD(again), .publishing = true, .also = "resend"},
    {"token", "TOKEN", "shows this token (default $UPROAR_TOKEN)", take_token, .also = "bearer"},
    {"token-file", "FILE", "shows the token in FILE", take_text, FIELD(token_file)},
    {"retry", "S", "gives up after S seconds without a connection", take_count, FIELD(retry_s),
     .max = 604800, .also = "timeout wait"},
    {"silence", "S", "connects anew after S seconds of silence (default 60)", take_count,
     FIELD(silence_s), .min = 1, .max = 86400, .also = "idle dead"},
    {"quiet", NULL, "says nothing about connections", take_switch, FIELD(quiet), .letter = 'q',
     .also = "silent"},
    {"version", NULL, "prints the version, and exits", .ends = OPTIONS_VERSION},
    {"help", NULL, "prints this, and exits", .ends = OPTIONS_HELP, .letter = 'h'},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]), FIRST_LONG = 256 };

/* --- values ----------------------------------------------------------------------------------- */

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

static bool take_count(struct options *o, const struct row *row, const char *value, char *why)
{
    char *end;
    errno = 0;
    const uint64_t number = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end != '\0')
        return complain(why, "--%s %.80s: not a whole number", row->name, value);
    if (errno != 0 || number < row->min || number > row->max)
        return complain(why, "--%s %.80s: must be %" PRIu64 " to %" PRIu64, row->name, value,
                        row->min, row->max);
    memcpy((char *)o + row->field, &number, sizeof(number));
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
    if (value[0] == '\0')
        return complain(why, "--%s needs a value: --%s %s", row->name, row->name, row->value);
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return complain(why, "--%s: control characters are not sent", row->name);
    memcpy((char *)o + row->field, &value, sizeof(value));
    return true;
}

/* What a field value may hold (RFC 6750, 2.1), and what is shown to nobody. */
static bool take_token(struct options *o, const struct row *row, const char *value, char *why)
{
    if (value[0] == '\0' || strlen(value) > OPTIONS_TOKEN_MAX)
        return complain(why, "--%s: 1 to %d bytes", row->name, OPTIONS_TOKEN_MAX);
    for (const char *c = value; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return complain(why, "--%s: printable ASCII without blanks", row->name);
    snprintf(o->token, sizeof(o->token), "%s", value);
    return true;
}

static const struct row *row_named(const char *name)
{
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

/* Its first line. */
static bool read_token(struct options *o, char *why)
{
    char line[OPTIONS_TOKEN_MAX + 2];
    FILE *file = fopen(o->token_file, "re");
    if (!file)
        return complain(why, "--token-file %.100s: %s", o->token_file, strerror(errno));
    const bool has_line = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    line[has_line ? strcspn(line, "\r\n") : 0] = '\0';
    return take_token(o, row_named("token-file"), line, why);
}

/* --- names ------------------------------------------------------------------------------------ */

static bool complain_unknown(const char *typed, char *why)
{
    char name[SPELLING_NAME_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed + strspn(typed, "-"), "="),
             typed + strspn(typed, "-"));
    const struct row *best = &rows[0];
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++)
        if (spelling_distance(name, row->name, row->also) <
            spelling_distance(name, best->name, best->also))
            best = row;
    return complain(why, "unknown flag %.80s, the nearest is --%s (--help shows all)", typed,
                    best->name);
}

/* getopt_long()'s own forms of the table. */
struct getopt_tables {
    struct option longs[ROW_COUNT + 1];
    char letters[2 * ROW_COUNT + 3];
};

static void make_tables(struct getopt_tables *t)
{
    char *letter = t->letters;
    *t = (struct getopt_tables){0};
    *letter++ = ':'; /* a missing value is told apart */
    for (int i = 0; i < ROW_COUNT; i++) {
        t->longs[i] = (struct option){rows[i].name, rows[i].value ? required_argument : no_argument,
                                      NULL, FIRST_LONG + i};
        if (rows[i].letter)
            *letter++ = rows[i].letter;
        if (rows[i].letter && rows[i].value)
            *letter++ = ':';
    }
}

static const struct row *row_of(int found)
{
    if (found >= FIRST_LONG)
        return &rows[found - FIRST_LONG];
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++)
        if (row->letter == found)
            return row;
    return NULL;
}

/* --- the command line ------------------------------------------------------------------------- */

static bool given_is_right(const struct options *o, const bool *given, char *why)
{
    for (int i = 0; i < ROW_COUNT; i++) {
        if (given[i] && rows[i].publishing && !o->publish)
            return complain(why, "--%s is for publishing: with -p", rows[i].name);
        if (given[i] && rows[i].subscribing && o->publish)
            return complain(why, "--%s is not for publishing", rows[i].name);
    }
    if (o->after && o->last != OPTION_ABSENT)
        return complain(why, "--after and --last: only one of them");
    return true;
}

static bool take_words(struct options *o, char **words, char *why)
{
    if (!words[0])
        return complain(why,
                        "the URL of the server is missing: http://HOST:PORT or ws://HOST:PORT");
    const char *problem = url_parse(words[0], &o->url);
    if (problem)
        return complain(why, "%.120s: %s", words[0], problem);
    if (memchr(o->url.target.at, '?', o->url.target.len))
        return complain(why, "%.120s: the URL is the server's, without a query", words[0]);
    for (words++; *words; words++) {
        if (o->topic_count == OPTIONS_TOPICS_MAX)
            return complain(why, "at most %d topics", OPTIONS_TOPICS_MAX);
        if (**words == '\0')
            return complain(why, "a topic has at least one letter");
        o->topics[o->topic_count++] = *words;
    }
    if (o->topic_count == 0)
        return complain(why, "a topic is missing behind the URL");
    if (o->publish && o->topic_count > 1)
        return complain(why, "-p publishes to one topic, not to %" PRIu64, o->topic_count);
    return true;
}

static bool whole_is_right(struct options *o, const bool *given, char **words, char *why)
{
    if (!given_is_right(o, given, why) || !take_words(o, words, why))
        return false;
    if (o->token_file)
        return read_token(o, why);
    const char *token = o->token[0] ? NULL : getenv("UPROAR_TOKEN");
    return !token || token[0] == '\0' || take_token(o, row_named("token"), token, why);
}

enum options_result cat_options_parse(struct options *o, int argc, char **argv,
                                      char why[static OPTIONS_WHY_MAX])
{
    struct getopt_tables t;
    bool given[ROW_COUNT] = {0};
    int found;
    make_tables(&t);
    *o = (struct options){.last = OPTION_ABSENT, .retry_s = OPTION_ABSENT, .silence_s = 60};
    why[0] = '\0';
    optind = 0; /* anew, as glibc wants it */
    opterr = 0;
    while ((found = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1) {
        const struct row *row = found == ':' ? row_of(optopt) : row_of(found);
        if (!row) {
            complain_unknown(argv[optind - 1], why);
            return OPTIONS_WRONG;
        }
        if (found == ':') {
            complain(why, "--%s needs a value: --%s %s", row->name, row->name, row->value);
            return OPTIONS_WRONG;
        }
        if (!row->take)
            return row->ends;
        given[row - rows] = true;
        if (!row->take(o, row, optarg, why))
            return OPTIONS_WRONG;
    }
    return whole_is_right(o, given, argv + optind, why) ? OPTIONS_RUN : OPTIONS_WRONG;
}

void cat_options_add_help(struct text *out)
{
    text_add_str(out,
                 "usage: uproar-cat [FLAG]... URL TOPIC...\n"
                 "       uproar-cat -p [FLAG]... URL TOPIC\n\n"
                 "Prints what is published to topics and patterns, by Server-Sent Events "
                 "(URL\nhttp://HOST:PORT) or WebSocket (ws://HOST:PORT), and resumes by itself; "
                 "or\npublishes the lines of standard input.\n\nflags:\n");
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        char left[48], letter[8] = "";
        if (row->letter)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        text_printf(out, "  %-18s %s\n", left, row->help);
    }
    text_add_str(out, "\nexit status: 0 done, 1 refused or failed, 2 usage, 3 done, but with a "
                      "gap\n");
}
