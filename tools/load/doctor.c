/* The judgement. Rules of thumb are rounded up: a doctor that finds nothing should be right. Of
 * speed only the queue of packets is looked at. */
#include "load/doctor.h"

#include "load/source.h"
#include "load/swarm.h"
#include "load/words.h"

#include <inttypes.h>

enum {
    FDS_SPARE = 64,
    /* One end of an idle connection, Linux 6.18: 3,800 of socket, 336 of place and poll, rounded
     * up. Both ends, and 200 for the two programs. */
    KERNEL_BYTES = 4300,
    USER_BYTES = 200,
    /* Not all connections have something under way at the same time. */
    BUSY_SHARE = 4,
    /* Nor do all of them speak in the same milliseconds: of a million pinged every 25 s, by timers
     * swept every 200 ms, 8,000 do, 1 of 125. Fewer are swept more often. A fan-out is taken in
     * while it is written: 15,000 at once passed a queue of 1,000 without a drop. */
    BURST_SHARE = 100,
};

struct findings {
    const struct doctor_facts *facts;
    struct text *out;
    unsigned count;
};

static void add_label(struct findings *d, const char *grade, const char *what)
{
    text_printf(d->out, "%-5s %-22s ", grade, what);
}

static void add_line(struct findings *d, bool fine, const char *what)
{
    add_label(d, fine ? "ok" : "STOP", what);
    if (!fine)
        d->count++;
}

static void add_mend(struct findings *d, bool fine, const char *command, uint64_t value)
{
    if (fine)
        return;
    text_add_str(d->out, "\n      mend: ");
    text_printf(d->out, command, (unsigned long long)value);
}

static void check_descriptors(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t limit = f->nofile_hard, n = f->connections;
    const uint64_t usable = limit > FDS_SPARE ? limit - FDS_SPARE : 1;
    const unsigned long long tables = (n + n / 50) / usable + 1;
    const bool fine = f->registered ? limit >= 1024 : limit >= n + FDS_SPARE;
    add_line(d, fine, "open files");
    text_printf(d->out, "ulimit -n: soft %llu, hard %llu; ", (unsigned long long)f->nofile_soft,
                (unsigned long long)limit);
    if (f->registered)
        text_printf(d->out, "sockets stand in %llu io_uring table%s instead, a ring each", tables,
                    tables > 1 ? "s" : "");
    else
        text_printf(d->out, "each connection is one (%s)",
                    f->uring ? "this kernel lets go of io_uring's own late"
                             : "epoll: io_uring does not work here");
    add_mend(d, fine, "as root: prlimit --nofile=%llu --pid $$", n + FDS_SPARE);
    text_add_byte(d->out, '\n');
}

static void check_files(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t wanted = f->connections * (f->is_local ? 2 : 1);
    const bool fine = f->files_max == 0 || f->files_max - f->files_used >= wanted;
    add_line(d, fine, "fs.file-max");
    words_add_count(d->out, f->files_used);
    text_add_str(d->out, " used of ");
    words_add_count(d->out, f->files_max);
    add_mend(d, fine, "sysctl -w fs.file-max=%llu", (f->files_used + wanted) * 2);
    text_add_byte(d->out, '\n');
}

static void check_ports(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t ports = f->port_high >= f->port_low ? f->port_high - f->port_low + 1 : 0;
    const bool enough = f->connections <= ports;
    const bool fine = enough || (f->is_local && ports >= SOURCE_CONNECTIONS_MAX);
    add_line(d, fine, "ip_local_port_range");
    words_add_count(d->out, ports);
    text_add_str(d->out, " ports for each source address");
    if (!enough && f->is_local)
        text_add_str(d->out, "; more addresses of 127.0.0.0/8 are used");
    if (f->is_local)
        add_mend(d, fine, "sysctl -w net.ipv4.ip_local_port_range='32768 60999'", 0);
    else
        add_mend(d, fine,
                 "--source with %llu addresses (as root: ip address add ADDRESS dev DEVICE), or "
                 "sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
                 sources_needed(f->connections));
    text_add_byte(d->out, '\n');
}

static void check_tcp_mem(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t wanted = f->connections / BUSY_SHARE;
    const bool fine = f->tcp_mem_pages == 0 || f->tcp_mem_pages >= wanted;
    add_line(d, fine, "tcp_mem");
    words_add_count(d->out, f->tcp_mem_pages);
    text_add_str(d->out, " pages; data under way takes one for each connection that has some");
    add_mend(d, fine, "sysctl -w net.ipv4.tcp_mem='%llu ", wanted);
    if (!fine)
        text_printf(d->out, "%" PRIu64 " %" PRIu64 "'", wanted * 3 / 2, wanted * 2);
    text_add_byte(d->out, '\n');
}

/* Where connects wait: the server's two queues, both bounded by the machine. */
static void check_queue(struct findings *d, const char *name, uint64_t length, const char *mend)
{
    const uint64_t wanted =
        d->facts->connections < SWARM_OPENING_MAX ? d->facts->connections : SWARM_OPENING_MAX;
    const bool fine = length == 0 || length >= wanted;
    add_line(d, fine, name);
    words_add_count(d->out, length);
    text_printf(d->out, "; %llu connects are under way at once", (unsigned long long)wanted);
    add_mend(d, fine, mend, 4096);
    text_add_byte(d->out, '\n');
}

/* On loopback each packet waits in a queue of the kernel's, and those that find it full are dropped
 * and come again later: that is slow, and stops nobody. Only the machine's first network namespace
 * shows its length: elsewhere there is nothing to say. */
static void check_packet_queue(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t wanted = (f->connections + BURST_SHARE - 1) / BURST_SHARE;
    const bool fine = f->packet_queue >= wanted;
    if (!f->is_local || f->packet_queue == 0)
        return;
    add_label(d, fine ? "ok" : "slow", "netdev_max_backlog");
    words_add_count(d->out, f->packet_queue);
    text_add_str(d->out, " packets; of a longer burst the rest is sent again later");
    add_mend(d, fine, "sysctl -w net.core.netdev_max_backlog=%llu", wanted);
    text_add_byte(d->out, '\n');
}

static void check_conntrack(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t left =
        f->conntrack_max > f->conntrack_count ? f->conntrack_max - f->conntrack_count : 0;
    const bool fine = f->conntrack_max == 0 || left >= f->connections;
    add_line(d, fine, "conntrack");
    if (f->conntrack_max == 0) {
        text_add_str(d->out, "tracks nothing\n");
        return;
    }
    words_add_count(d->out, f->conntrack_count);
    text_add_str(d->out, " used of ");
    words_add_count(d->out, f->conntrack_max);
    add_mend(d, fine, "sysctl -w net.netfilter.nf_conntrack_max=%llu",
             f->conntrack_count + f->connections * 2);
    text_add_byte(d->out, '\n');
}

static void check_memory(struct findings *d)
{
    const struct doctor_facts *f = d->facts;
    const uint64_t each = KERNEL_BYTES * (f->is_local ? 2u : 1u) + USER_BYTES;
    const uint64_t wanted = f->connections * each;
    const bool fine = f->available_bytes >= wanted;
    add_line(d, fine, "memory");
    words_add_size(d->out, (double)f->available_bytes);
    text_add_str(d->out, " available, ");
    words_add_size(d->out, (double)wanted);
    text_printf(d->out, " wanted (%llu B for each connection, %s)", (unsigned long long)each,
                f->is_local ? "both ends" : "this end");
    add_mend(d, fine, "-n %llu fits", f->available_bytes / each);
    text_add_byte(d->out, '\n');
}

unsigned doctor_judge(const struct doctor_facts *f, struct text *out)
{
    struct findings d = {.facts = f, .out = out};
    check_descriptors(&d);
    check_files(&d);
    check_ports(&d);
    check_tcp_mem(&d);
    check_queue(&d, "somaxconn", f->somaxconn, "sysctl -w net.core.somaxconn=%llu");
    check_queue(&d, "tcp_max_syn_backlog", f->syn_backlog,
                "sysctl -w net.ipv4.tcp_max_syn_backlog=%llu");
    check_packet_queue(&d);
    check_conntrack(&d);
    check_memory(&d);
    words_add_count(out, f->connections);
    if (d.count == 0)
        text_add_str(out, " connections: nothing here would stop them.\n");
    else
        text_printf(out, " connections: %u thing%s here would stop them.\n", d.count,
                    d.count == 1 ? "" : "s");
    return d.count;
}
