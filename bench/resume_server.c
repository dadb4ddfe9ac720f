/* What the server says of itself (/metrics) and the kernel of it (/proc).
 * Does not judge any of it. */
#include "resume.h"

#include "base/clock.h"
#include "lib/head.h"
#include "lib/net.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ASK_TIMEOUT_MS = 10000 };

/* --- asking ----------------------------------------------------------------------------------- */

static int wait_for(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    const int count = poll(&ready, 1, ASK_TIMEOUT_MS);
    return count > 0 ? 0 : -ETIME;
}

static int read_to_end(int fd, struct text *out)
{
    uint8_t part[4096];
    for (;;) {
        const int err = wait_for(fd, POLLIN);
        if (err != 0)
            return err;
        const ssize_t n = net_recv(fd, part, sizeof(part));
        if (n < 0)
            return n == -ECONNRESET ? 0 : (int)n;
        text_add(out, (struct bytes){part, (size_t)n});
    }
}

int server_ask(uint16_t port, const char *method_and_path, struct text *out)
{
    const struct in_addr from = {htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = from};
    char request[256];
    const int len = snprintf(request, sizeof(request),
                             "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n",
                             method_and_path, port);
    const int fd = net_connect(&from, &to);
    if (fd < 0)
        return fd;
    int err = wait_for(fd, POLLOUT);
    if (err == 0)
        err = net_connect_result(fd);
    if (err == 0 && net_send(fd, (struct bytes){(const uint8_t *)request, (size_t)len}) != len)
        err = -EIO;
    if (err == 0)
        err = read_to_end(fd, out);
    close(fd);
    if (err == 0 && (out->failed || head_status(text_bytes(out)) != 200))
        err = -EPROTO;
    return err;
}

/* --- its turns -------------------------------------------------------------------------------- */

/* `..._bucket{le="0.05"} 123` */
static void bucket_take(struct server_view *v, const char *line)
{
    const char *bound = strstr(line, "le=\""), *value = strstr(line, "} ");
    if (!bound || !value || v->buckets == TURN_BUCKETS_MAX)
        return;
    v->bound_s[v->buckets] = strtod(bound + 4, NULL);
    v->turns_below[v->buckets++] = strtoull(value + 2, NULL, 10);
}

static void metrics_take(struct server_view *v, char *text)
{
    static const char name[] = "\nuproar_turn_seconds_";
    for (char *at = text; (at = strstr(at, name)) != NULL;) {
        at += sizeof(name) - 1;
        if (strncmp(at, "bucket", 6) == 0)
            bucket_take(v, at);
        else if (strncmp(at, "sum ", 4) == 0)
            v->turn_seconds = strtod(at + 4, NULL);
    }
}

/* --- its threads ------------------------------------------------------------------------------ */

static uint64_t involuntary_of(pid_t pid, const char *task)
{
    static const char key[] = "nonvoluntary_ctxt_switches:";
    char path[320], line[256];
    uint64_t count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, task);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0; /* it has ended */
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, key, sizeof(key) - 1) == 0)
            count = strtoull(line + sizeof(key) - 1, NULL, 10);
    fclose(file);
    return count;
}

/* Three numbers: nanoseconds on a core, nanoseconds in line for one, times on a core. */
static uint64_t waited_of(pid_t pid, const char *task)
{
    char path[320], line[128] = "", *end = NULL;
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, task);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    const bool is_read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    (void)strtoull(line, &end, 10);
    return is_read ? strtoull(end, NULL, 10) : 0;
}

static void threads_take(struct server_view *v, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = pid > 0 ? opendir(path) : NULL;
    if (!tasks)
        return;
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        v->involuntary += involuntary_of(pid, entry->d_name);
        v->waited_ns += waited_of(pid, entry->d_name);
    }
    closedir(tasks);
}

/* --- both ------------------------------------------------------------------------------------- */

int server_look(struct server_view *v, const struct client_options *o)
{
    struct text answer = {0};
    *v = (struct server_view){0};
    threads_take(v, o->pid);
    int err = server_ask(o->port, "GET /metrics", &answer);
    text_add_byte(&answer, '\0');
    if (err == 0 && answer.failed)
        err = -ENOMEM;
    if (err == 0)
        metrics_take(v, (char *)answer.at);
    if (err == 0 && v->buckets == 0) {
        fputs("resume: /metrics has no uproar_turn_seconds\n", stderr);
        err = -EPROTO;
    }
    text_fini(&answer);
    return err;
}

void server_since(const struct server_view *before, struct server_view *now)
{
    for (unsigned i = 0; i < now->buckets; i++)
        now->turns_below[i] -= before->turns_below[i];
    now->turn_seconds -= before->turn_seconds;
    now->involuntary -= before->involuntary;
    now->waited_ns -= before->waited_ns;
}

uint64_t server_turns(const struct server_view *v)
{
    return v->turns_below[v->buckets - 1];
}

uint64_t server_turns_above(const struct server_view *v, double bound_s)
{
    for (unsigned i = 0; i < v->buckets; i++)
        if (v->bound_s[i] >= bound_s - 1e-9)
            return server_turns(v) - v->turns_below[i];
    return 0;
}

double server_longest_turn_s(const struct server_view *v)
{
    unsigned i = 0;
    while (v->turns_below[i] < server_turns(v))
        i++;
    return v->bound_s[i];
}
