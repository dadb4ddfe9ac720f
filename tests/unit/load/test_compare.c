/* Three transports' figures, as a table and as JSON. */
#include "load/compare.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>

static struct compare_row rows[COMPARE_ROWS];

static void fill(void)
{
    static const char *const names[COMPARE_ROWS] = {"WebSocket", "SSE", "long-poll"};
    for (int i = 0; i < COMPARE_ROWS; i++)
        rows[i] = (struct compare_row){.name = names[i],
                                       .subscribers = 1000,
                                       .messages = 100,
                                       .payload_len = 64,
                                       .received_each = 66 + i,
                                       .sent_each = 10 * i,
                                       .has_cpu = true,
                                       .cpu_each_ns = 1500,
                                       .has_memory = true,
                                       .memory_each = 95,
                                       .back_p99_ns = 20000000,
                                       .missed = 37,
                                       .got = 37000};
}

static bool says(const char *part)
{
    struct text out = {0};
    compare_add_text(&out, rows);
    text_add_byte(&out, '\0');
    const bool found = strstr((const char *)out.at, part) != NULL;
    text_fini(&out);
    return found;
}

Test(compare, says_a_figure_a_line_and_a_sentence)
{
    fill();
    cr_assert(says("| WebSocket        | SSE              | long-poll        |\n"));
    cr_assert(says("| server CPU a delivery  | 1.50 us          |"));
    cr_assert(says("| missed meanwhile       | 37 each, 0 lost  |"));
    cr_assert(
        says("A message of 64 B to each of 1,000 subscribers costs 66 B by WebSocket, 77 B by "
             "SSE and 88 B by long-poll; cut off all at once, 99 % were back with everything "
             "within 20 ms: 0 lost.\n"));
    cr_assert(compare_is_clean(rows));
}

Test(compare, says_what_was_not_measured)
{
    fill();
    rows[1].has_cpu = rows[1].has_memory = false;
    cr_assert(says("| server CPU a delivery  | 1.50 us          | (--pid)          |"));
}

Test(compare, is_not_clean_with_any_fault_and_names_it)
{
    uint64_t *const faults[] = {&rows[2].lost, &rows[2].twice, &rows[2].disordered,
                                &rows[2].corrupt, &rows[2].failed};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fill();
        *faults[i] = 3;
        cr_assert(not(compare_is_clean(rows)));
        cr_assert(says("long-poll: "));
        cr_assert(says(i == 0 ? "3 messages lost" : "0 messages lost"));
    }
    fill();
    cr_assert(not(says("long-poll: ")));
}

Test(compare, is_json_too)
{
    struct text out = {0};
    fill();
    rows[0].has_cpu = false;
    compare_add_json(&out, rows);
    json_t *root = json_loadb((const char *)out.at, out.len, 0, NULL);
    const json_t *first = json_array_get(json_object_get(root, "transports"), 0);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(first, "transport")),
                 (char *)"WebSocket"));
    cr_assert(eq(i64, json_integer_value(json_object_get(first, "missed")), 37000));
    cr_assert(eq(ptr, json_object_get(first, "cpu_each_ns"), NULL));
    json_decref(root);
    text_fini(&out);
}
