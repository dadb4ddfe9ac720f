/* The frames that a server sends, byte by byte. */
#include "base/utf8.h"
#include "support/guarded.h"
#include "ws/ws.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(ws_encode, says_each_length_in_its_shortest_form)
{
    static const struct {
        uint64_t len;
        size_t head_len;
        uint8_t head[10];
    } cases[] = {
        {0, 2, {0x82, 0}},
        {125, 2, {0x82, 125}},
        {126, 4, {0x82, 126, 0, 126}},
        {65535, 4, {0x82, 126, 0xff, 0xff}},
        {65536, 10, {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
        {INT64_MAX, 10, {0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[10];
        const size_t len = ws_encode_head(out, WS_BINARY, cases[i].len);
        cr_assert(eq(sz, len, cases[i].head_len));
        cr_assert(eq(int, memcmp(out, cases[i].head, len), 0), "case %zu", i);
    }
}

Test(ws_encode, puts_the_opcode_beside_fin)
{
    uint8_t out[10];
    (void)ws_encode_head(out, WS_TEXT, 0);
    cr_assert(eq(u8, out[0], 0x81));
    (void)ws_encode_head(out, WS_PING, 0);
    cr_assert(eq(u8, out[0], 0x89));
}

Test(ws_encode, closes_with_code_and_reason)
{
    uint8_t out[127];
    const size_t len = ws_encode_close(out, 1001, BYTES_LITERAL("bye"));
    cr_assert(eq(sz, len, 7));
    cr_assert(eq(int,
                 memcmp(out,
                        "\x88\x05\x03\xe9"
                        "bye",
                        7),
                 0));
}

Test(ws_encode, closes_without_a_payload_for_1005)
{
    uint8_t out[127];
    const size_t len = ws_encode_close(out, WS_CLOSE_NO_STATUS, BYTES_LITERAL("not sent"));
    cr_assert(eq(sz, len, 2));
    cr_assert(eq(int, memcmp(out, "\x88\x00", 2), 0));
}

Test(ws_encode, closes_without_a_reason)
{
    uint8_t out[127];
    const size_t len = ws_encode_close(out, WS_CLOSE_GAP, (struct bytes){0});
    cr_assert(eq(sz, len, 4));
    cr_assert(eq(int, memcmp(out, "\x88\x02\x11\x3a", 4), 0));
}

/* A reason of `ascii_len` letters and then characters of `unit`, longer than fits. */
static void check_cut_reason(size_t ascii_len, const char *unit)
{
    const size_t unit_len = strlen(unit);
    uint8_t reason[256], out[127];
    size_t len = ascii_len;

    memset(reason, 'a', ascii_len);
    while (len + unit_len <= 140) {
        memcpy(reason + len, unit, unit_len);
        len += unit_len;
    }
    const struct span guarded = guarded_copy((struct bytes){reason, len});
    const size_t frame_len = ws_encode_close(out, 1000, span_bytes(guarded));
    const struct bytes sent = {out + 4, frame_len - 4};

    cr_assert(eq(u8, out[1], (uint8_t)(frame_len - 2)));
    cr_assert(le(sz, sent.len, WS_CLOSE_REASON_MAX));
    cr_assert(ge(sz, sent.len + unit_len, WS_CLOSE_REASON_MAX + 1));
    cr_assert(utf8_is_valid(sent), "%zu letters before %s", ascii_len, unit);
    guarded_release();
}

Test(ws_encode, cuts_a_long_reason_at_a_character)
{
    for (size_t ascii_len = 0; ascii_len < 8; ascii_len++) {
        check_cut_reason(ascii_len, "x");
        check_cut_reason(ascii_len, "\xc3\xa4");
        check_cut_reason(ascii_len, "\xe2\x82\xac");
        check_cut_reason(ascii_len, "\xf0\x9f\x8e\x89");
    }
}

Test(ws_encode, keeps_a_reason_that_just_fits)
{
    uint8_t reason[WS_CLOSE_REASON_MAX], out[127];
    memset(reason, 'r', sizeof(reason));
    const size_t len = ws_encode_close(out, 1000, (struct bytes){reason, sizeof(reason)});
    cr_assert(eq(sz, len, 127));
    cr_assert(eq(int, memcmp(out + 4, reason, sizeof(reason)), 0));
}

Test(ws_encode, answers_a_ping_with_its_payload)
{
    uint8_t out[127], payload[WS_CONTROL_MAX];
    memset(payload, 'p', sizeof(payload));
    cr_assert(eq(sz, ws_encode_pong(out, (struct bytes){payload, sizeof(payload)}), 127));
    cr_assert(eq(int, memcmp(out, "\x8a\x7d", 2), 0));
    cr_assert(eq(int, memcmp(out + 2, payload, sizeof(payload)), 0));
    cr_assert(eq(sz, ws_encode_pong(out, (struct bytes){0}), 2));
    cr_assert(eq(int, memcmp(out, "\x8a\x00", 2), 0));
}
