/* A long-poll's body: arrays and lines, limits, and the entity tags that name a poller's place. */
#include "poll/poll.h"
#include "support/guarded.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void check_text(struct text *t, const char *expected)
{
    text_add_byte(t, '\0');
    cr_assert(eq(str, (char *)t->at, (char *)(uintptr_t)expected));
    text_fini(t);
}

static void check_body(bool lines, unsigned count, const char *expected)
{
    struct poll_body body;
    poll_body_begin(&body, lines);
    for (unsigned i = 0; i < count; i++)
        poll_body_add(&body, BYTES_LITERAL("{}"));
    poll_body_end(&body);
    check_text(&body.text, expected);
}

Test(poll_answer, is_an_array_on_one_line)
{
    check_body(false, 0, "[]\n");
    check_body(false, 1, "[{}]\n");
    check_body(false, 3, "[{},{},{}]\n");
}

Test(poll_answer, is_one_envelope_a_line_when_lines_are_wanted)
{
    check_body(true, 0, "");
    check_body(true, 2, "{}\n{}\n");
    cr_assert(eq(str, (char *)(uintptr_t)poll_content_type(true), "application/x-ndjson"));
    cr_assert(eq(str, (char *)(uintptr_t)poll_content_type(false), "application/json"));
}

Test(poll_answer, has_room_for_a_thousand_messages)
{
    struct poll_body body;
    poll_body_begin(&body, false);
    for (unsigned i = 0; i < POLL_MESSAGES_MAX; i++) {
        cr_assert(poll_body_has_room(&body, 2));
        poll_body_add(&body, BYTES_LITERAL("{}"));
    }
    cr_assert(not(poll_body_has_room(&body, 2)));
    text_fini(&body.text);
}

Test(poll_answer, has_room_for_about_a_mebibyte_but_for_the_first_one_in_any_case)
{
    struct poll_body body;
    poll_body_begin(&body, false);
    cr_assert(poll_body_has_room(&body, 100 << 20));
    poll_body_add(&body, BYTES_LITERAL("{}"));
    cr_assert(not(poll_body_has_room(&body, POLL_BYTES_MAX)));
    cr_assert(poll_body_has_room(&body, POLL_BYTES_MAX - 100));
    text_fini(&body.text);
}

static struct bytes first_of(const char *list)
{
    return poll_first_tag(span_bytes(guarded_copy(bytes_from(list))));
}

Test(poll_tag, is_the_inside_of_the_first_one)
{
    cr_assert(bytes_equal(first_of("\"abc\""), BYTES_LITERAL("abc")));
    cr_assert(bytes_equal(first_of("W/\"abc\" , \"d\""), BYTES_LITERAL("abc")));
    cr_assert(bytes_equal(first_of(" ,\"\""), BYTES_LITERAL("")));
    cr_assert(first_of("\"\"").at != NULL);
}

Test(poll_tag, is_absent_where_there_is_none)
{
    const char *const lists[] = {"", "*", "abc", "\"", "\"abc", "W/", "W/abc", " , "};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        cr_assert(first_of(lists[i]).at == NULL, "%s", lists[i]);
    cr_assert(poll_first_tag((struct bytes){0}).at == NULL);
}
