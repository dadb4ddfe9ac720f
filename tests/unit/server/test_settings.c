/* From options to settings: defaults, limits, copies. No server is started. */
#include "server/server_internal.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sys/resource.h>

static struct uproar server;
static char why[256];

static struct uproar_options defaults(void)
{
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.io = UPROAR_IO_EPOLL; /* the one that is everywhere */
    return o;
}

/* What becomes of *o; the next call ends it. */
static const struct broker_settings *settings_of(const struct uproar_options *o)
{
    settings_fini(&server);
    memset(&server, 0, sizeof(server));
    cr_assert(eq(int, settings_init(&server, o, why, sizeof(why)), 0), "%s", why);
    return &server.broker.settings;
}

static void expect_refused(const struct uproar_options *o, const char *line)
{
    settings_fini(&server);
    memset(&server, 0, sizeof(server));
    cr_assert(eq(int, settings_init(&server, o, why, sizeof(why)), -EINVAL), "%s", line);
    cr_assert(eq(str, why, (char *)line));
}

static void forget(void)
{
    settings_fini(&server);
}

Test(settings, are_the_agreed_ones_when_nothing_is_asked_for, .fini = forget)
{
    const struct uproar_options o = defaults();
    const struct broker_settings *s = settings_of(&o);
    cr_assert(eq(u32, s->message_bytes_max, 1 << 20));
    cr_assert(eq(u64, s->body_bytes_max, 256 << 20));
    cr_assert(eq(u32, s->history_count, 65536));
    cr_assert(eq(u64, s->history_bytes, 64 << 20));
    cr_assert(eq(u32, s->history_ms, 300000));
    cr_assert(eq(u32, s->heartbeat_ms, 15000));
    cr_assert(eq(u32, s->ping_ms, 25000));
    cr_assert(eq(u32, s->drain_ms, 10000));
    cr_assert(eq(u32, s->stream_max_ms, 0));
    cr_assert(eq(int, s->slow, SLOW_CLOSE));
    cr_assert(eq(ptr, (void *)s->publish_token.at, NULL));
    cr_assert(eq(ptr, (void *)s->subscribe_token.at, NULL));
    cr_assert(eq(ptr, (void *)s->admin_token.at, NULL));
    cr_assert(eq(ptr, (void *)s->origins.allowed[0], NULL));
}

Test(settings, name_what_becomes_of_slow_subscribers, .fini = forget)
{
    static const struct {
        enum uproar_slow option;
        enum slow_policy setting;
    } cases[] = {{UPROAR_SLOW_CLOSE, SLOW_CLOSE},
                 {UPROAR_SLOW_SKIP, SLOW_SKIP},
                 {UPROAR_SLOW_LATEST, SLOW_LATEST}};
    struct uproar_options o = defaults();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        o.slow = cases[i].option;
        cr_assert(eq(int, settings_of(&o)->slow, cases[i].setting));
    }
    o.slow = (enum uproar_slow)(UPROAR_SLOW_LATEST + 1);
    expect_refused(&o, "slow is none of enum uproar_slow");
    o.slow = (enum uproar_slow) - 1;
    expect_refused(&o, "slow is none of enum uproar_slow");
}

Test(settings, name_what_is_compressed, .fini = forget)
{
    static const struct {
        enum uproar_deflate option;
        enum deflate_policy setting;
    } cases[] = {{0, DEFLATE_SHARED},
                 {UPROAR_DEFLATE_OFF, DEFLATE_OFF},
                 {UPROAR_DEFLATE_SHARED, DEFLATE_SHARED},
                 {UPROAR_DEFLATE_FULL, DEFLATE_FULL}};
    struct uproar_options o = defaults();
    cr_assert(eq(u32, settings_of(&o)->deflate_bytes_min, 256));
    o.deflate_bytes_min = 1;
    cr_assert(eq(u32, settings_of(&o)->deflate_bytes_min, 1));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        o.deflate = cases[i].option;
        cr_assert(eq(int, settings_of(&o)->deflate, cases[i].setting));
    }
    o.deflate = (enum uproar_deflate)(UPROAR_DEFLATE_FULL + 1);
    expect_refused(&o, "deflate is none of enum uproar_deflate");
}

Test(settings, take_longer_messages_as_a_target, .fini = forget)
{
    struct uproar_options o = defaults();
    cr_assert(not(settings_of(&o)->is_target));
    o.target = true;
    cr_assert(settings_of(&o)->is_target);
    cr_assert(eq(u32, settings_of(&o)->message_bytes_max, 16 << 20));
    o.message_bytes_max = 5;
    cr_assert(eq(u32, settings_of(&o)->message_bytes_max, 5), "unless it was said");
}

Test(settings, let_a_stream_live_as_long_as_was_asked_and_at_most_a_day, .fini = forget)
{
    struct uproar_options o = defaults();
    o.stream_max_ms = 1;
    cr_assert(eq(u32, settings_of(&o)->stream_max_ms, 1));
    o.stream_max_ms = 86400000;
    cr_assert(eq(u32, settings_of(&o)->stream_max_ms, 86400000));
    o.stream_max_ms++;
    expect_refused(&o, "intervals are at most a day");
}

static void expect_copy(struct bytes copy, const char *given)
{
    cr_assert(bytes_equal(copy, bytes_from(given)), "%s", given);
    cr_assert(ne(ptr, (void *)copy.at, (void *)given));
}

Test(settings, keep_copies_of_tokens_and_origins, .fini = forget)
{
    static const char *const origins[] = {"https://a.example", "http://b.example:8000", NULL};
    struct uproar_options o = defaults();
    o.publish_token = "publish";
    o.subscribe_token = "subscribe";
    o.admin_token = "admin";
    o.allow_origins = origins;
    const struct broker_settings *s = settings_of(&o);
    expect_copy(s->publish_token, "publish");
    expect_copy(s->subscribe_token, "subscribe");
    expect_copy(s->admin_token, "admin");
    expect_copy(bytes_from(s->origins.allowed[0]), "https://a.example");
    expect_copy(bytes_from(s->origins.allowed[1]), "http://b.example:8000");
    cr_assert(eq(ptr, (void *)s->origins.allowed[2], NULL));
}

Test(settings, take_tokens_of_512_bytes_and_not_one_more, .fini = forget)
{
    const char **tokens[3];
    struct uproar_options o = defaults();
    tokens[0] = &o.publish_token;
    tokens[1] = &o.subscribe_token;
    tokens[2] = &o.admin_token;
    char token[514] = "";
    memset(token, 'x', 512);
    for (int i = 0; i < 3; i++)
        *tokens[i] = token;
    cr_assert(eq(sz, settings_of(&o)->admin_token.len, 512));
    token[512] = 'x';
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            *tokens[k] = k == i ? token : NULL;
        expect_refused(&o, "a token is at most 512 bytes");
    }
}

Test(settings, of_a_program_that_knew_fewer_options_are_the_defaults, .fini = forget)
{
    struct uproar_options o;
    memset(&o, 0xff, sizeof(o)); /* what is behind an older one's end is not ours to read */
    uproar_options_init(&o, offsetof(struct uproar_options, stream_max_ms));
    o.io = UPROAR_IO_EPOLL;
    const struct broker_settings *s = settings_of(&o);
    cr_assert(eq(u32, s->drain_ms, 10000));
    cr_assert(eq(u32, s->stream_max_ms, 0));
    cr_assert(eq(int, s->slow, SLOW_CLOSE));
    cr_assert(eq(ptr, (void *)s->admin_token.at, NULL));
}

/* --- how many connections --------------------------------------------------------------------- */

enum { FDS = 1000, ONE_RING = FDS - 256 };

/* io_uring where slots are no descriptors; elsewhere these tests say nothing. */
static struct uproar_options many(uint32_t count, unsigned threads)
{
    struct rlimit limit;
    struct io_probe probe;
    struct uproar_options o = defaults();
    io_probe(IO_URING, &probe);
    if (!probe.usable || probe.slot_is_fd)
        cr_skip_test("uring: no registered files here: %s", probe.why);
    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &limit), 0));
    limit.rlim_cur = FDS;
    cr_assert(eq(int, setrlimit(RLIMIT_NOFILE, &limit), 0));
    o.io = UPROAR_IO_URING;
    o.connection_count_max = count;
    o.thread_count = threads;
    return o;
}

static uint32_t slots_of(uint32_t count, unsigned threads)
{
    const struct uproar_options o = many(count, threads);
    cr_assert(eq(u32, settings_of(&o)->conn_count_max, count));
    return server.io.slot_count;
}

Test(settings, give_every_reactor_room_for_all_connections_while_one_ring_has_it, .fini = forget)
{
    cr_assert(eq(u32, slots_of(100, 1), 100 + 256));
    cr_assert(eq(u32, slots_of(100, 8), 100 + 256));
    cr_assert(eq(u32, slots_of(ONE_RING, 2), FDS));
    struct uproar_options o = many(0, 2);
    cr_assert(eq(u32, settings_of(&o)->conn_count_max, ONE_RING), "by default one ring");
}

Test(settings, give_every_reactor_its_share_and_some_beyond_one_ring, .fini = forget)
{
    cr_assert(eq(u32, slots_of(ONE_RING + 1, 1), FDS + 1));
    cr_assert(eq(u32, slots_of(ONE_RING + 1, 2), FDS), "a whole ring, though less would do");
    cr_assert(eq(u32, slots_of(100000, 1), 100000 + 256));
    const uint32_t half = slots_of(100000, 2);
    /* Ten deviations of a fair coin, thrown 100,000 times. */
    cr_assert(ge(u32, half, 50000 + 10 * 158));
    cr_assert(le(u32, half, 54000));
    const uint32_t eighth = slots_of(100000, 8);
    cr_assert(ge(u32, eighth, 12500 + 10 * 105));
    cr_assert(le(u32, eighth, 14000));
}

Test(settings, refuse_more_connections_than_the_rings_have_descriptors_for, .fini = forget)
{
    const struct uproar_options o = many(800000, 1);
    expect_refused(&o,
                   "800000 connections (--max-connections) need 803 descriptors for their rings: "
                   "more than RLIMIT_NOFILE (1000) allows");
    const struct uproar_options more = many(100000001, 1);
    expect_refused(&more, "at most 100 million connections");
}

Test(settings, refuse_more_connections_than_descriptors_where_slots_are_descriptors, .fini = forget)
{
    struct uproar_options o = many(ONE_RING + 1, 1);
    o.io = UPROAR_IO_EPOLL;
    expect_refused(&o, "745 connections (--max-connections) are more than RLIMIT_NOFILE (1000) "
                       "allows: at most 744");
}
