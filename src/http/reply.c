/* Answers with a known body, and the date. Streams write their own heads. */
#include "http/reply.h"

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

enum { DAYS_PER_4_YEARS = 1461, DAYS_PER_CENTURY = 36524, DAYS_PER_400_YEARS = 146097 };

struct civil {
    unsigned year, month, day; /* month and day from 1 */
};

/* The proleptic Gregorian calendar, in years that begin on March 1st: leap days come last, and a
 * month's first day is a linear function of its number. */
static struct civil civil_from_days(uint64_t days_since_1970)
{
    const uint64_t days = days_since_1970 + 719468; /* since 0000-03-01 */
    const unsigned in_era = (unsigned)(days % DAYS_PER_400_YEARS);
    /* Each leap day so far is taken out, put back per century, taken out at the era's end. */
    const unsigned year_of_era = (in_era - in_era / (DAYS_PER_4_YEARS - 1) +
                                  in_era / DAYS_PER_CENTURY - in_era / (DAYS_PER_400_YEARS - 1)) /
                                 365;
    const unsigned in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned month_from_march = (5 * in_year + 2) / 153; /* 153 days in five months */
    const bool after_december = month_from_march >= 10;

    return (struct civil){
        .year = (unsigned)(days / DAYS_PER_400_YEARS * 400) + year_of_era + after_december,
        .month = after_december ? month_from_march - 9 : month_from_march + 3,
        .day = in_year - (153 * month_from_march + 2) / 5 + 1,
    };
}

void http_add_date(struct text *out, int64_t unix_ms)
{
    static const char weekdays[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const uint64_t last_s = 253402300799; /* the end of 9999: the format has four digits */
    uint64_t s = unix_ms > 0 ? (uint64_t)unix_ms / 1000 : 0;
    if (s > last_s)
        s = last_s;
    const struct civil date = civil_from_days(s / 86400);
    const unsigned in_day = (unsigned)(s % 86400);

    text_printf(out, "Date: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n", weekdays[s / 86400 % 7],
                date.day, months[date.month - 1], date.year, in_day / 3600, in_day / 60 % 60,
                in_day % 60);
}

/* RFC 9110, 8.6: these have no content, and say nothing about its length. */
static bool has_no_content(unsigned status)
{
    return status < 200 || status == 204 || status == 304;
}

/* To HEAD only the length that GET would be told, and no other (RFC 9110, 8.6). */
static bool says_length(const struct http_reply *r)
{
    return !has_no_content(r->status) && (!r->head_only || r->body.at);
}

static void add_connection(struct text *out, const struct http_reply *r)
{
    if (r->status < 200)
        return; /* the connection goes on: as what, an upgrade says itself */
    if (!r->keep_alive)
        text_add_str(out, "Connection: close\r\n");
    else if (r->minor_0)
        text_add_str(out, "Connection: keep-alive\r\n");
}

void http_add_reply(struct text *out, const struct http_reply *r)
{
    text_printf(out, "HTTP/1.1 %u %s\r\n", r->status, http_reason(r->status));
    http_add_date(out, r->date_ms);
    if (r->content_type)
        text_printf(out, "Content-Type: %s\r\n", r->content_type);
    if (says_length(r))
        text_printf(out, "Content-Length: %zu\r\n", r->body.len);
    add_connection(out, r);
    text_add_str(out, r->headers);
    text_add(out, r->more_headers);
    text_add_str(out, "\r\n");
    if (!r->head_only && !has_no_content(r->status))
        text_add(out, r->body);
}

void http_add_error_body(struct text *out, const char *error, const char *message)
{
    text_add_str(out, "{\"error\":");
    text_add_json(out, bytes_from(error));
    text_add_str(out, ",\"message\":");
    text_add_json(out, bytes_from(message));
    text_add_byte(out, '}');
}
