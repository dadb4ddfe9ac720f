/* Content-Type and event names: what makes a publish text, and what an event may be called. */
#include "conn/media.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

struct media_case {
    const char *value;
    enum media media;
};

Test(media, text_is_what_the_contract_calls_text)
{
    static const struct media_case cases[] = {
        {"text/plain", MEDIA_TEXT},
        {"TEXT/HTML", MEDIA_TEXT},
        {"text/plain;charset=utf-8", MEDIA_TEXT},
        {"text/plain; charset=\"UTF-8\"", MEDIA_TEXT},
        {"text/plain; format=flowed ; charset=US-ASCII", MEDIA_TEXT},
        {"application/json", MEDIA_TEXT},
        {"application/x-www-form-urlencoded", MEDIA_TEXT},
        {"text/plain; charset=latin1", MEDIA_BAD_CHARSET},
        {"application/json;charset=utf-16", MEDIA_BAD_CHARSET},
        {"text/plain; format=flowed; charset=iso-8859-1", MEDIA_BAD_CHARSET},
        {"application/octet-stream", MEDIA_OTHER},
        {"application/octet-stream; charset=latin1", MEDIA_OTHER},
        {"image/png", MEDIA_OTHER},
        {"text", MEDIA_OTHER},
        {"text/", MEDIA_OTHER},
        {"", MEDIA_NONE},
        {NULL, MEDIA_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert(eq(int, media_type_of(bytes_from(cases[i].value)), cases[i].media), "%s",
                  cases[i].value);
}

Test(media, an_event_name_fits_on_one_line_of_the_stream)
{
    cr_assert(eq(ptr, (void *)media_event_problem(BYTES_LITERAL("price")), NULL));
    cr_assert(eq(ptr, (void *)media_event_problem(BYTES_LITERAL("pr\xc3\xa9")), NULL));
    cr_assert(eq(ptr, (void *)media_event_problem(BYTES_LITERAL("gaps")), NULL));
    cr_assert(ne(ptr, (void *)media_event_problem(BYTES_LITERAL("a\nb")), NULL));
    cr_assert(ne(ptr, (void *)media_event_problem(BYTES_LITERAL("a\rb")), NULL));
    cr_assert(ne(ptr, (void *)media_event_problem(BYTES_LITERAL("a\0b")), NULL));
    cr_assert(ne(ptr, (void *)media_event_problem(BYTES_LITERAL("\xff")), NULL));
    cr_assert(ne(ptr, (void *)media_event_problem(BYTES_LITERAL("gap")), NULL));
}
