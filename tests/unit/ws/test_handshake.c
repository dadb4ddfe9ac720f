/* The accept key and the choice of a subprotocol. */
#include "support/guarded.h"
#include "ws/handshake.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

Test(ws_handshake, answers_the_key_of_the_rfc)
{
    char out[WS_ACCEPT_LEN + 1] = {0};
    const struct span key = guarded_copy(BYTES_LITERAL("dGhlIHNhbXBsZSBub25jZQ=="));
    cr_assert(ws_accept(span_bytes(key), out));
    cr_assert(eq(str, out, (char *)"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    guarded_release();
}

static bool key_is_valid(const char *text)
{
    const bool valid = ws_key_is_valid(span_bytes(guarded_copy(bytes_from(text))));
    guarded_release();
    return valid;
}

Test(ws_handshake, accepts_keys_of_sixteen_bytes)
{
    cr_assert(key_is_valid("dGhlIHNhbXBsZSBub25jZQ=="));
    cr_assert(key_is_valid("AZaz09+/AZaz09+/AZaz0Q=="));
    cr_assert(key_is_valid("zzzzzzzzzzzzzzzzzzzzzz=="));
}

Test(ws_handshake, refuses_keys_of_another_length_or_alphabet)
{
    static const char *const bad[] = {
        "",
        "=",
        "==",
        "dGhlIHNhbXBsZSBub25jZQ=",   /* one too few */
        "dGhlIHNhbXBsZSBub25jZQ===", /* one too many */
        "dGhlIHNhbXBsZSBub25jZTE=",  /* 17 bytes */
        "dGhlIHNhbXBsZSBub25jZTEy",  /* 18 bytes */
        "dGhlIHNhbXBsZSBub25jZ===",  /* 15 bytes and a third = */
        "dGhlIHNhbXBsZSBub25jZQ=A",
        "dGhlIHNhbXBsZSBub25jZQA=",
        "dGhlIHNhbXBsZS-ub25jZQ==", /* the other alphabet */
        "dGhlIHNhbXBsZS_ub25jZQ==",
        "dGhlIHNhbXBsZS b25jZQA==",
        "dGhlIHNhbXBsZSBu\xc3\xa4zzQA==",
        " dGhlIHNhbXBsZSBub25jZQ=",
        "SGVsbG8sIHdvcmxkIQ==", /* 13 bytes */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(not(key_is_valid(bad[i])), "%s", bad[i]);
    cr_assert(not(ws_key_is_valid((struct bytes){0})));
}

static const char *const known[] = {"uproar.json", "v12.stomp", "v11.stomp", NULL};

/* The result and the choice as one text. */
static const char *choose(struct bytes offered)
{
    static const char *const names[] = {
        [WS_SUBPROTOCOL_NONE_OFFERED] = "none offered",
        [WS_SUBPROTOCOL_CHOSEN] = "chosen",
        [WS_SUBPROTOCOL_UNKNOWN] = "unknown",
        [WS_SUBPROTOCOL_BAD] = "bad",
    };
    const char *chosen = "untouched";
    const struct bytes copy = offered.at ? span_bytes(guarded_copy(offered)) : offered;
    const enum ws_subprotocol result = ws_choose_subprotocol(copy, known, &chosen);

    guarded_release();
    if (result == WS_SUBPROTOCOL_CHOSEN)
        return chosen;
    return chosen ? "a choice without success" : names[result];
}

static void check(const char *offered, const char *want)
{
    const char *got = choose(bytes_from(offered));
    cr_assert(eq(int, strcmp(got, want), 0), "\"%s\": %s instead of %s", offered, got, want);
}

Test(ws_handshake, chooses_the_first_in_the_peers_order_that_is_known)
{
    check("v12.stomp", "v12.stomp");
    check("v11.stomp, v12.stomp", "v11.stomp");
    check("chat,v11.stomp,uproar.json", "v11.stomp");
    check("chat, \t uproar.json \t", "uproar.json");
    check(" ,, v12.stomp,", "v12.stomp");
}

Test(ws_handshake, compares_subprotocols_exactly)
{
    check("V12.stomp", "unknown");
    check("v12.stom", "unknown");
    check("v12.stompx", "unknown");
    check("chat, superchat", "unknown");
}

Test(ws_handshake, takes_an_absent_field_for_no_offer)
{
    cr_assert(eq(int, strcmp(choose((struct bytes){0}), "none offered"), 0));
}

Test(ws_handshake, refuses_what_is_not_a_list_of_tokens)
{
    check("", "bad");
    check(" ", "bad");
    check(",,", "bad");
    check("a b", "bad");
    check("v12.stomp, a/b", "bad");
    check("\"v12.stomp\"", "bad");
    check("v12.stomp, caf\xc3\xa9", "bad");
    check("v12.stomp;q=1", "bad");
    cr_assert(eq(int, strcmp(choose(BYTES_LITERAL("v12.stomp,a\0b")), "bad"), 0));
}

Test(ws_handshake, knows_every_token_character)
{
    for (int c = 0; c < 256; c++) {
        const uint8_t byte = (uint8_t)c;
        const bool token = c != 0 && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                            c) != NULL;
        const bool separator = c == ',' || c == ' ' || c == '\t';
        const char *got = choose((struct bytes){&byte, 1});
        cr_assert(eq(int, strcmp(got, token ? "unknown" : "bad"), 0), "byte %d: %s%s", c, got,
                  separator ? " (a separator alone is an empty list)" : "");
    }
}
