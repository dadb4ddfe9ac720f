/* What on this machine would stop N connections, and the command that mends it: facts are gathered
 * apart from the judgement, which is pure. */
#pragma once

#include "base/text.h"
#include "load/options.h"

/* What cannot be read is 0. */
struct doctor_facts {
    uint64_t connections;
    bool is_local;   /* the target is this machine: both ends' memory counts */
    bool uring;      /* io_uring works */
    bool registered; /* ...and keeps sockets that are no descriptors of the process */
    uint64_t nofile_soft, nofile_hard;
    uint64_t files_used, files_max; /* fs.file-nr: of the machine */
    uint64_t port_low, port_high;
    uint64_t tcp_mem_pages;
    uint64_t somaxconn, syn_backlog;
    uint64_t packet_queue;                   /* net.core.netdev_max_backlog */
    uint64_t conntrack_count, conntrack_max; /* max 0: there is none */
    uint64_t available_bytes;                /* memory */
};

/* One line for each thing looked at, and under those that would stop it, or make it slow, how to
 * mend them. Returns how many would stop it. */
unsigned doctor_judge(const struct doctor_facts *f, struct text *out);
/* The whole mode: gathers, judges, prints. The exit status. */
int doctor_run(const struct options *o);
