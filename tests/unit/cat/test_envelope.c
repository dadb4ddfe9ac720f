/* What the server says in JSON, and what is none of it. */
#include "cat/envelope.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void expect(const char *json, enum envelope_kind kind, const char *cursor, struct bytes data)
{
    struct envelope e;
    cr_assert(eq(int, envelope_parse(&e, bytes_from(json)), kind), "%s", json);
    cr_assert(bytes_equal(e.cursor, bytes_from(cursor)), "cursor of %s", json);
    if (kind == ENVELOPE_MESSAGE || kind == ENVELOPE_DIRECT)
        cr_assert(bytes_equal(e.data, data), "data of %s", json);
    envelope_fini(&e);
}

Test(envelope, gives_a_message_and_its_place)
{
    expect("{\"id\":\"e-1\",\"topic\":\"t\",\"time\":1,\"data\":\"x\\ny\"}", ENVELOPE_MESSAGE,
           "e-1", BYTES_LITERAL("x\ny"));
    expect("{\"id\":\"e-1\",\"data\":\"\"}", ENVELOPE_MESSAGE, "e-1", BYTES_LITERAL(""));
    expect("{\"id\":\"e-1\",\"data\":\"a\\u0000b\"}", ENVELOPE_MESSAGE, "e-1",
           BYTES_LITERAL("a\0b"));
}

Test(envelope, decodes_what_is_binary)
{
    expect("{\"id\":\"e-1\",\"base64\":\"\"}", ENVELOPE_MESSAGE, "e-1", BYTES_LITERAL(""));
    expect("{\"id\":\"e-1\",\"base64\":\"AA==\"}", ENVELOPE_MESSAGE, "e-1", BYTES_LITERAL("\0"));
    expect("{\"id\":\"e-1\",\"base64\":\"//4=\"}", ENVELOPE_MESSAGE, "e-1",
           BYTES_LITERAL("\xff\xfe"));
    expect("{\"id\":\"e-1\",\"base64\":\"AAEC\"}", ENVELOPE_MESSAGE, "e-1",
           BYTES_LITERAL("\0\1\2"));
}

Test(envelope, tells_the_other_things_apart)
{
    expect("{\"open\":{\"cursor\":\"e-9\"}}", ENVELOPE_OPEN, "e-9", (struct bytes){0});
    expect("{\"gap\":{\"after\":\"e-1\",\"resumed\":\"e-5\",\"reason\":\"trimmed\"}}", ENVELOPE_GAP,
           "e-5", (struct bytes){0});
    expect("{\"direct\":{\"data\":\"psst\"}}", ENVELOPE_DIRECT, NULL, BYTES_LITERAL("psst"));
}

Test(envelope, refuses_what_it_cannot_place)
{
    const char *const bad[] = {"",
                               "x",
                               "[]",
                               "{}",
                               "7",
                               "{\"data\":\"x\"}",
                               "{\"id\":7,\"data\":\"x\"}",
                               "{\"id\":\"e-1\"}",
                               "{\"id\":\"e-1\",\"base64\":\"A\"}",
                               "{\"id\":\"e-1\",\"base64\":\"????\"}",
                               "{\"gap\":{}}",
                               "{\"gap\":7}",
                               "{\"open\":{}}",
                               "{\"direct\":{}}",
                               "{\"id\":\"e-1\",\"data\":\"x\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct envelope e;
        cr_assert(eq(int, envelope_parse(&e, bytes_from(bad[i])), ENVELOPE_BAD), "%s", bad[i]);
        envelope_fini(&e);
    }
}

Test(envelope, reads_the_gap_of_an_event_stream)
{
    struct envelope e;
    cr_assert(eq(int, envelope_parse_gap(&e, BYTES_LITERAL("{\"after\":\"a\",\"resumed\":\"b\"}")),
                 ENVELOPE_GAP));
    cr_assert(bytes_equal(e.cursor, BYTES_LITERAL("b")));
    envelope_fini(&e);
}
