/* Which offers of permessage-deflate are agreed to, and in which words. */
#include "ws/extension.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* The answer's line without its name; "": none; "bad": 400. */
static const char *answer_to(const char *offered)
{
    static char said[256];
    static const char name[] = "Sec-WebSocket-Extensions: ";
    struct ws_deflate_terms terms;
    struct text out = {0};
    switch (ws_deflate_choose(bytes_from(offered), &terms)) {
    case WS_DEFLATE_NONE:
        return "";
    case WS_DEFLATE_BAD:
        return "bad";
    case WS_DEFLATE_CHOSEN:
        break;
    }
    ws_deflate_answer(&out, &terms);
    cr_assert(bytes_start_with(text_bytes(&out), bytes_from(name)));
    cr_assert(eq(int, memcmp(out.at + out.len - 2, "\r\n", 2), 0));
    const size_t len = out.len - 2 - strlen(name);
    cr_assert(lt(sz, len, sizeof(said)));
    memcpy(said, out.at + strlen(name), len);
    said[len] = '\0';
    text_fini(&out);
    return said;
}

struct row {
    const char *offered, *answer;
};

static void expect(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert(eq(str, (char *)(uintptr_t)answer_to(rows[i].offered),
                     (char *)(uintptr_t)rows[i].answer),
                  "%s", rows[i].offered);
}
#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof((rows)[0]))

#define PMD     "permessage-deflate"
#define S_FORGO "; server_no_context_takeover"
#define C_FORGO "; client_no_context_takeover"
#define S_BITS  "; server_max_window_bits"
#define C_BITS  "; client_max_window_bits"

Test(extension, agrees_to_each_parameter)
{
    static const struct row rows[] = {
        {PMD, PMD},
        {PMD S_FORGO, PMD S_FORGO},
        {PMD C_FORGO, PMD C_FORGO},
        {PMD C_FORGO S_FORGO, PMD S_FORGO C_FORGO},
        {PMD S_BITS "=8", PMD S_BITS "=8"},
        {PMD S_BITS "=9", PMD S_BITS "=9"},
        {PMD S_BITS "=10", PMD S_BITS "=10"},
        {PMD S_BITS "=15", PMD S_BITS "=15"},
        {PMD C_BITS, PMD C_BITS "=15"},
        {PMD C_BITS "=8", PMD C_BITS "=8"},
        {PMD C_BITS "=15" S_BITS "=12" S_FORGO C_FORGO,
         PMD S_FORGO C_FORGO S_BITS "=12" C_BITS "=15"},
        {PMD S_BITS "=\"10\"", PMD S_BITS "=10"},
        {PMD S_BITS "=\"\\1\\0\"", PMD S_BITS "=10"},
    };
    EXPECT(rows);
}

/* RFC 7692, 7.1: unknown, doubled, or with a value that cannot be. */
Test(extension, declines_offers_that_it_cannot_keep)
{
    static const struct row rows[] = {
        {PMD S_BITS, ""},
        {PMD S_BITS "=7", ""},
        {PMD S_BITS "=16", ""},
        {PMD S_BITS "=08", ""},
        {PMD S_BITS "=115", ""},
        {PMD S_BITS "=1", ""},
        {PMD S_BITS "=x", ""},
        {PMD C_BITS "=7", ""},
        {PMD C_BITS "=16", ""},
        {PMD C_BITS "=08", ""},
        {PMD C_BITS "=-9", ""},
        {PMD S_FORGO "=1", ""},
        {PMD C_FORGO "=true", ""},
        {PMD S_FORGO S_FORGO, ""},
        {PMD C_FORGO C_FORGO, ""},
        {PMD S_BITS "=10" S_BITS "=10", ""},
        {PMD C_BITS C_BITS, ""},
        {PMD "; unknown", ""},
        {PMD S_BITS "=\"100000000000000000\"", ""},
        {PMD "; Server_No_Context_Takeover", ""},
        {"x-webkit-deflate-frame", ""},
        {"permessage-bzip2; level=9", ""},
    };
    EXPECT(rows);
}

Test(extension, takes_the_first_offer_that_it_can_keep)
{
    static const struct row rows[] = {
        {"a, b;c, " PMD, PMD},
        {PMD S_BITS "=7, " PMD S_BITS "=10, " PMD, PMD S_BITS "=10"},
        {PMD S_FORGO S_FORGO " ," PMD C_FORGO, PMD C_FORGO},
        {PMD S_BITS "=10, " PMD, PMD S_BITS "=10"},
        {" ,, " PMD " , ,", PMD},
        {PMD ";server_no_context_takeover\t;\tclient_max_window_bits = 9", PMD S_FORGO C_BITS "=9"},
    };
    EXPECT(rows);
}

/* RFC 6455, 9.1: the whole handshake is refused, whatever stands before the fault. */
Test(extension, refuses_what_is_no_list_of_extensions)
{
    static const char *const rows[] = {
        "",
        " ",
        ",",
        ";",
        "=",
        PMD ";",
        PMD "; ;x",
        PMD "; x=",
        PMD "; =1",
        PMD " x",
        PMD "; x y",
        PMD "=1",
        PMD "; x=\"",
        PMD "; x=\"\"",
        PMD "; x=\"a b\"",
        PMD "; x=\"a",
        PMD "; x=\"a\"b",
        PMD "; x=a=b",
        PMD ", /",
        "\"" PMD "\"",
        PMD "; x=\"a\\\"",
        PMD "\x01",
        PMD "; \xc3\xa4",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert(eq(str, (char *)(uintptr_t)answer_to(rows[i]), (char *)"bad"), "%s", rows[i]);
}

Test(extension, does_without_when_there_is_no_offer)
{
    struct ws_deflate_terms terms;
    cr_assert(eq(int, ws_deflate_choose((struct bytes){0}, &terms), WS_DEFLATE_NONE));
}
