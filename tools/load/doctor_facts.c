/* Gathers what the doctor judges, from limits and /proc, and runs the mode. What is not there (a
 * container may hide it) counts as no obstacle. */
#define _GNU_SOURCE /* accept4 */
#include "io/io.h"
#include "load/doctor.h"
#include "load/resolve.h"
#include "load/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_WELL = 0, EXIT_ILL = 1, EXIT_USAGE = 2, COLUMNS_MAX = 3 };

/* The whole numbers of a file's first line; those that are not there stay 0. */
static void read_numbers(const char *path, uint64_t out[static COLUMNS_MAX])
{
    char line[128] = "";
    char *at = line;
    memset(out, 0, COLUMNS_MAX * sizeof(*out));
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fgets(line, sizeof(line), file))
        for (int i = 0; i < COLUMNS_MAX; i++)
            out[i] = strtoull(at, &at, 10);
    fclose(file);
}

static uint64_t read_number(const char *path)
{
    uint64_t columns[COLUMNS_MAX];
    read_numbers(path, columns);
    return columns[0];
}

static uint64_t available_memory(void)
{
    char line[128];
    uint64_t kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return UINT64_MAX;
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kilobytes = strtoull(line + 13, NULL, 10);
    fclose(file);
    return kilobytes * 1024;
}

/* Both ends of a connection to ourselves; the time between is the caller's. */
static bool connect_to_self(int ends[static 3])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = (struct sockaddr *)&at;
    socklen_t len = sizeof(at);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0] == -1 || ends[1] == -1 || bind(ends[0], address, len) != 0)
        return false;
    if (listen(ends[0], 1) != 0 || getsockname(ends[0], address, &len) != 0)
        return false;
    if (connect(ends[1], address, len) != 0)
        return false;
    ends[2] = accept4(ends[0], NULL, NULL, SOCK_CLOEXEC);
    return ends[2] != -1;
}

/* The module may be there without a rule that makes it track anything: a connection tells. */
static void gather_conntrack(struct doctor_facts *f)
{
    static const char *const count = "/proc/sys/net/netfilter/nf_conntrack_count";
    int ends[3] = {-1, -1, -1};
    const bool connected = connect_to_self(ends);
    f->conntrack_count = read_number(count);
    if (!connected || f->conntrack_count > 0)
        f->conntrack_max = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
    for (int i = 0; i < 3; i++)
        if (ends[i] != -1)
            close(ends[i]);
}

static void gather_io(const struct options *o, struct doctor_facts *f)
{
    struct io_probe probe;
    struct rlimit limit = {0};
    io_probe(IO_URING, &probe);
    f->uring = probe.usable && o->io != IO_EPOLL;
    f->registered = f->uring && !probe.slot_is_fd;
    getrlimit(RLIMIT_NOFILE, &limit);
    f->nofile_soft = limit.rlim_cur;
    f->nofile_hard = limit.rlim_max;
}

static void gather(const struct options *o, struct doctor_facts *f)
{
    uint64_t columns[COLUMNS_MAX];
    f->connections = o->connections;
    gather_io(o, f);
    read_numbers("/proc/sys/fs/file-nr", columns);
    f->files_used = columns[0];
    f->files_max = columns[2];
    read_numbers("/proc/sys/net/ipv4/ip_local_port_range", columns);
    f->port_low = columns[0];
    f->port_high = columns[1];
    read_numbers("/proc/sys/net/ipv4/tcp_mem", columns);
    f->tcp_mem_pages = columns[2];
    f->packet_queue = read_number("/proc/sys/net/core/netdev_max_backlog");
    f->somaxconn = read_number("/proc/sys/net/core/somaxconn");
    f->syn_backlog = read_number("/proc/sys/net/ipv4/tcp_max_syn_backlog");
    gather_conntrack(f);
    f->available_bytes = available_memory();
}

/* Without a URL the target is taken to be here. */
static const char *find_target(const struct options *o, bool *is_local)
{
    struct url url;
    union io_address address;
    *is_local = true;
    if (o->url_count == 0)
        return NULL;
    const char *wrong = url_parse(o->urls[0], &url);
    if (!wrong)
        wrong = resolve(&url, &address);
    if (!wrong)
        *is_local = source_is_loopback(&address);
    return wrong;
}

int doctor_run(const struct options *o)
{
    struct doctor_facts facts = {0};
    struct text out = {0};
    const char *wrong = find_target(o, &facts.is_local);
    if (wrong) {
        fprintf(stderr, "uproar-load: %s: %s\n", o->urls[0], wrong);
        return EXIT_USAGE;
    }
    gather(o, &facts);
    const unsigned count = doctor_judge(&facts, &out);
    const struct bytes b = text_bytes(&out);
    fwrite(b.at, 1, b.len, stdout);
    text_fini(&out);
    return count == 0 ? EXIT_WELL : EXIT_ILL;
}
