/* The client's command line. An option that a mode has no use for is ignored.
 * Measures nothing itself. */
#include "client.h"

#include "lib/net.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int usage(void)
{
    fputs("usage: client fanout|idle|echo|connect|publish --port PORT [options]\n"
          "  --pid PID           the server: its CPU time and memory are read\n"
          "  --server-core N     also report what ksoftirqd/N used\n"
          "  --path PATH         default /t/bench; its first % becomes the connection's number\n"
          "  --sse               Server-Sent Events instead of WebSocket\n"
          "  --deflate           fan-out: compressed WebSocket messages\n"
          "  --conns N           connections; connect: how many are being opened at a time\n"
          "  --bytes N           payload\n"
          "  --messages N        fan-out, publish: messages; echo, connect: rounds\n"
          "  --warmup N          as many before, not measured\n"
          "  --rate N            fan-out: deliveries per second, one message in flight\n"
          "  --window N          publish, fan-out without --rate: messages in flight\n"
          "  --publishers N      the connections that publish, in turn (divides the window)\n"
          "  --accepted STATUS   the only answer to a message that is right (default 201)\n"
          "  --settle MS         rest between opening and measuring\n"
          "  --timeout S         of the whole run\n",
          stderr);
    return 2;
}

enum option_key { KEY_SSE = 1000, KEY_DEFLATE, KEY_PATH, KEY_NUMBER };

/* Options that are numbers: where they go and what is allowed. */
struct number_option {
    const char *name;
    size_t offset;
    size_t size;
    uint64_t min, max;
};
#define NUMBER(name, field, min, max)                                                              \
    {                                                                                              \
        name, offsetof(struct client_options, field), sizeof(((struct client_options *)0)->field), \
            min, max                                                                               \
    }
static const struct number_option numbers[] = {
    NUMBER("port", port, 1, 65535),
    NUMBER("pid", pid, 1, INT32_MAX),
    NUMBER("server-core", server_core, 0, 4095),
    NUMBER("conns", conns, 1, 1000000),
    NUMBER("bytes", payload_len, 1, 1 << 16),
    NUMBER("messages", messages, 1, UINT32_MAX),
    NUMBER("warmup", warmup, 1, UINT32_MAX),
    NUMBER("rate", rate, 1, UINT32_MAX),
    NUMBER("window", window, 1, 4096),
    NUMBER("publishers", publishers, 1, 1024),
    NUMBER("accepted", accepted, 200, 299),
    NUMBER("settle", settle_ms, 0, 600000),
    NUMBER("timeout", timeout_s, 1, 3600),
};
enum { NUMBER_COUNT = sizeof(numbers) / sizeof(numbers[0]) };

static bool number_set(struct client_options *o, const struct number_option *n, const char *text)
{
    char *end = NULL;
    errno = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < n->min || value > n->max) {
        fprintf(stderr, "client: --%s takes a number, not '%s'\n", n->name, text);
        return false;
    }
    /* Little-endian, as everything this runs on: the low bytes are the number. */
    memcpy((uint8_t *)o + n->offset, &value, n->size);
    return true;
}

static bool mode_parse(const char *word, enum client_mode *mode)
{
    static const char *const names[] = {"fanout", "idle", "echo", "connect", "publish"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(word, names[i]) == 0) {
            *mode = (enum client_mode)i;
            return true;
        }
    return false;
}

static bool options_fit(const struct client_options *o)
{
    const uint64_t payload_min = o->mode == CLIENT_ECHO ? 24 : 16;
    if (o->port == 0)
        return false;
    if (o->payload_len < payload_min || (o->mode == CLIENT_ECHO && o->payload_len > 4096)) {
        fprintf(stderr, "client: --bytes: at least %u, echo at most 4096\n", (unsigned)payload_min);
        return false;
    }
    if (o->window % o->publishers != 0) {
        fputs("client: --publishers must divide --window\n", stderr);
        return false;
    }
    return true;
}

static bool options_parse(struct client_options *o, int argc, char **argv)
{
    struct option longs[NUMBER_COUNT + 4] = {{"sse", no_argument, NULL, KEY_SSE},
                                             {"deflate", no_argument, NULL, KEY_DEFLATE},
                                             {"path", required_argument, NULL, KEY_PATH}};
    for (int i = 0; i < NUMBER_COUNT; i++)
        longs[3 + i] = (struct option){numbers[i].name, required_argument, NULL, KEY_NUMBER + i};
    for (int key; (key = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (key == KEY_SSE)
            o->sse = true;
        else if (key == KEY_DEFLATE)
            o->deflate = true;
        else if (key == KEY_PATH)
            o->path = optarg;
        else if (key < KEY_NUMBER || !number_set(o, &numbers[key - KEY_NUMBER], optarg))
            return false;
    }
    if (optind + 1 != argc || !mode_parse(argv[optind], &o->mode))
        return false;
    if (o->rate > 0)
        o->window = o->publishers = 1; /* one message per send, whatever was asked */
    return options_fit(o);
}

int main(int argc, char **argv)
{
    struct client_options o = {.path = "/t/bench",
                               .server_core = -1,
                               .conns = 100,
                               .payload_len = 512,
                               .messages = 100,
                               .warmup = 10,
                               .window = 64,
                               .publishers = 1,
                               .accepted = 201,
                               .settle_ms = 200,
                               .timeout_s = 60};
    struct loop loop;
    if (!options_parse(&o, argc, argv))
        return usage();
    if (net_raise_nofile() < (size_t)o.conns + 64)
        fprintf(stderr, "client: the limit of open files is too low for %u connections\n", o.conns);
    if (loop_init(&loop, o.timeout_s) != 0)
        return 1;
    int status = 1;
    switch (o.mode) {
    case CLIENT_FANOUT:
        status = fanout_run(&o, &loop);
        break;
    case CLIENT_IDLE:
        status = idle_run(&o, &loop);
        break;
    case CLIENT_ECHO:
        status = echo_run(&o, &loop);
        break;
    case CLIENT_CONNECT:
        status = connect_run(&o, &loop);
        break;
    case CLIENT_PUBLISH:
        status = publish_run(&o, &loop);
        break;
    }
    loop_fini(&loop);
    return status;
}
