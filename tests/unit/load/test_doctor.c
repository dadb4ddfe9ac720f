/* The doctor finds nothing where nothing is wrong, and each thing that is, with what mends it. */
#include "load/doctor.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static const struct doctor_facts healthy = {
    .connections = 1000000,
    .is_local = true,
    .uring = true,
    .registered = true,
    .nofile_soft = 1024,
    .nofile_hard = 20000,
    .files_used = 1000,
    .files_max = 3000000,
    .port_low = 32768,
    .port_high = 60999,
    .tcp_mem_pages = 575802,
    .somaxconn = 4096,
    .syn_backlog = 2048,
    .packet_queue = 10000,
    .available_bytes = 24000000000,
};

/* One thing stops it, and the words say how to mend it. */
static void check_stops(struct doctor_facts ill, const char *mend)
{
    struct text out = {0};
    cr_assert(eq(uint, doctor_judge(&ill, &out), 1), "%s", mend);
    text_add_byte(&out, '\0');
    cr_assert(strstr((char *)out.at, mend) != NULL, "%s in %s", mend, (char *)out.at);
    cr_assert(strstr((char *)out.at, "1 thing here would stop them") != NULL);
    text_fini(&out);
}

Test(doctor, finds_nothing_where_nothing_is_wrong)
{
    struct text out = {0};
    cr_assert(eq(uint, doctor_judge(&healthy, &out), 0));
    text_add_byte(&out, '\0');
    cr_assert(strstr((char *)out.at, "nothing here would stop them") != NULL);
    cr_assert(strstr((char *)out.at, "in 52 io_uring tables") != NULL);
    text_fini(&out);
}

Test(doctor, finds_each_single_obstacle)
{
    struct doctor_facts ill = healthy;
    ill.registered = false;
    check_stops(ill, "prlimit --nofile=1000064");
    ill = healthy;
    ill.files_max = 1500000;
    check_stops(ill, "fs.file-max=");
    ill = healthy;
    ill.port_high = 40000;
    check_stops(ill, "ip_local_port_range=");
    ill = healthy;
    ill.is_local = false;
    check_stops(ill, "--source with 50 addresses");
    ill = healthy;
    ill.tcp_mem_pages = 100000;
    check_stops(ill, "net.ipv4.tcp_mem='250000 375000 500000'");
    ill = healthy;
    ill.somaxconn = 128;
    check_stops(ill, "net.core.somaxconn=4096");
    ill = healthy;
    ill.syn_backlog = 128;
    check_stops(ill, "tcp_max_syn_backlog=4096");
    ill = healthy;
    ill.conntrack_max = 262144;
    ill.conntrack_count = 100;
    check_stops(ill, "nf_conntrack_max=2000100");
    ill = healthy;
    ill.available_bytes = 4000000000;
    check_stops(ill, "-n 454545 fits");
}

/* What stops nobody is not counted; of the packet queue this is said, or nothing at all (NULL). */
static void check_packet_queue(struct doctor_facts facts, const char *said)
{
    struct text out = {0};
    cr_assert(eq(uint, doctor_judge(&facts, &out), 0));
    text_add_byte(&out, '\0');
    const bool found = strstr((char *)out.at, said ? said : "netdev_max_backlog") != NULL;
    cr_assert(eq(int, found, said != NULL), "%s in %s", said ? said : "nothing", (char *)out.at);
    text_fini(&out);
}

Test(doctor, says_what_makes_it_slow_and_stops_nobody)
{
    struct doctor_facts slow = healthy;
    check_packet_queue(slow, "ok    netdev_max_backlog     10,000 packets");
    slow.packet_queue = 9999;
    check_packet_queue(slow, "slow  netdev_max_backlog     9,999 packets");
    check_packet_queue(slow, "mend: sysctl -w net.core.netdev_max_backlog=10000\n");
    slow.packet_queue = 1000;
    slow.connections = 100000;
    check_packet_queue(slow, "ok    netdev_max_backlog     1,000 packets");
    slow.connections = 100001;
    check_packet_queue(slow, "mend: sysctl -w net.core.netdev_max_backlog=1001\n");
}

Test(doctor, says_nothing_of_a_packet_queue_that_is_hidden_or_not_in_the_way)
{
    struct doctor_facts facts = healthy;
    facts.packet_queue = 0;
    check_packet_queue(facts, NULL);
    facts = healthy;
    facts.packet_queue = 1;
    facts.is_local = false;
    facts.connections = 20000;
    check_packet_queue(facts, NULL);
}

Test(doctor, lets_few_connections_pass_where_many_would_not)
{
    struct text out = {0};
    struct doctor_facts few = healthy;
    few.connections = 100;
    few.registered = few.uring = few.is_local = false;
    few.somaxconn = few.syn_backlog = 128;
    few.tcp_mem_pages = 1000;
    cr_assert(eq(uint, doctor_judge(&few, &out), 0));
    text_fini(&out);
}
