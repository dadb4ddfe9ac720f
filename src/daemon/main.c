/* The life of the program `uproar`: command line, start, signals, drain. What it serves is the
 * library's; nothing here knows a protocol. */
#include "daemon/address.h"
#include "daemon/banner.h"
#include "daemon/flags.h"
#include "daemon/logout.h"
#include "daemon/token.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_DRAINED = 0, EXIT_RUN_TIME = 1, EXIT_USAGE = 2 };
enum { LEVEL_ERROR = 3, LEVEL_WARNING = 4 };

struct tokens {
    struct token publish, subscribe, admin;
};

/* --- standard streams ------------------------------------------------------------------------- */

/* With stdout closed the first socket would become descriptor 1, and the banner a peer's message.
 */
static void std_fds_open(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        /* The lowest free number is fd itself: those below are open by now. */
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) == -1)
            _exit(EXIT_RUN_TIME);
    }
}

/* A connection costs a descriptor or a place in a table that may be no larger: what the hard limit
 * allows is ours to use. Where it cannot be had, the library says what the soft one allows. */
static void fd_limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* At once: scripts wait for the line. Whether anybody reads it is not our business: `| head -1`. */
static void flush_stdout(void)
{
    (void)fflush(stdout);
}

static int usage_error(const char *why)
{
    fprintf(stderr, "uproar: %s\n", why);
    return EXIT_USAGE;
}

/* --- signals ---------------------------------------------------------------------------------- */

static void exit_at_once(int signal_number)
{
    _exit(128 + signal_number);
}

/* The signals that end us stay blocked, in all threads to come, until signals_wait(). Later they
 * have a handler: the second one. */
static void signals_init(sigset_t *ending)
{
    struct sigaction hangup;
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    /* nohup(1) asks to survive it by handing it over ignored. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(ending, SIGHUP);
    pthread_sigmask(SIG_BLOCK, ending, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void signals_wait(const sigset_t *ending)
{
    int number;
    while (sigwait(ending, &number) != 0)
        continue;
}

static void signals_exit_at_once(const sigset_t *ending)
{
    const struct sigaction at_once = {.sa_handler = exit_at_once};
    for (int number = 1; number < NSIG; number++)
        if (sigismember(ending, number) == 1)
            sigaction(number, &at_once, NULL);
    pthread_sigmask(SIG_UNBLOCK, ending, NULL);
}

/* --- what goes to people ---------------------------------------------------------------------- */

static bool is_open_to_others(const char *listen_address)
{
    struct address address;
    return address_parse(listen_address, &address) && !address_is_loopback(&address);
}

static void warn_if_open(const struct flags *f, struct logout *log)
{
    char line[256];
    const bool lacks_publish = !f->publish_token_file;
    const bool lacks_subscribe = !f->subscribe_token_file;
    if (!lacks_publish && !lacks_subscribe)
        return;
    for (size_t i = 0; i < f->listen_count; i++) {
        if (!is_open_to_others(f->listen[i].address))
            continue;
        snprintf(line, sizeof(line), "warning: whoever reaches %s may %s%s%s: there is no%s%s",
                 f->listen[i].address, lacks_publish ? "publish" : "",
                 lacks_publish && lacks_subscribe ? " and " : "",
                 lacks_subscribe ? "subscribe" : "", lacks_publish ? " --publish-token" : "",
                 lacks_subscribe ? " --subscribe-token" : "");
        logout_line(log, LEVEL_WARNING, line);
        return;
    }
}

static void report_start_failure(int err, const char *why, struct logout *log)
{
    char line[512];
    snprintf(line, sizeof(line), "%s%s", why[0] ? why : strerror(-err),
             err == -EADDRINUSE ? " (--listen ADDR:PORT chooses another)" : "");
    logout_line(log, LEVEL_ERROR, line);
}

static void print_banner(const struct flags *f, const struct uproar *u)
{
    uint16_t ports[FLAGS_LISTEN_MAX] = {0};
    for (size_t i = 0; i < f->listen_count; i++)
        ports[i] = (uint16_t)uproar_port(u, i);
    banner_print(stdout, &(struct banner){.version = uproar_version(),
                                          .listen = f->listen,
                                          .ports = ports,
                                          .listen_count = f->listen_count,
                                          .publish_token_file = f->publish_token_file,
                                          .subscribe_token_file = f->subscribe_token_file});
    flush_stdout();
}

/* --- life ------------------------------------------------------------------------------------- */

static const char *token_or_null(const struct token *t)
{
    return t->text[0] ? t->text : NULL;
}

static int run(const struct flags *f, const struct tokens *tokens)
{
    struct logout log = {.fd = STDERR_FILENO, .json = f->log_json};
    struct uproar_options options;
    struct uproar *u = NULL;
    char why[256] = "";
    sigset_t ending;

    uproar_options_init(&options, sizeof(options));
    flags_fill_options(f, &options);
    options.publish_token = token_or_null(&tokens->publish);
    options.subscribe_token = token_or_null(&tokens->subscribe);
    options.admin_token = token_or_null(&tokens->admin);
    options.on.on_log = logout_line;
    options.user = &log;

    signals_init(&ending);
    const int err = uproar_start(&options, &u, why, sizeof(why));
    if (err < 0) {
        report_start_failure(err, why, &log);
        return EXIT_RUN_TIME;
    }
    warn_if_open(f, &log);
    print_banner(f, u);
    signals_wait(&ending);
    signals_exit_at_once(&ending);
    uproar_stop(u);
    return uproar_free(&u) < 0 ? EXIT_RUN_TIME : EXIT_DRAINED;
}

/* False: said so. */
static bool token_from_flag(const char *flag, const char *file, struct token *out)
{
    if (!file)
        return true;
    const char *wrong = token_read(file, out);
    if (wrong)
        fprintf(stderr, "uproar: %s %s: %s\n", flag, file, wrong);
    return !wrong;
}

int main(int argc, char **argv)
{
    char why[FLAGS_WHY_MAX];
    struct flags flags;
    struct tokens tokens = {0};

    (void)argc;
    std_fds_open();
    switch (flags_parse(&flags, argv, why)) {
    case FLAGS_WRONG:
        return usage_error(why);
    case FLAGS_HELP:
        flags_print_help(stdout);
        flush_stdout();
        return 0;
    case FLAGS_VERSION:
        banner_print_version(stdout, uproar_version());
        flush_stdout();
        return 0;
    case FLAGS_RUN:
        break;
    }
    if (!token_from_flag("--publish-token", flags.publish_token_file, &tokens.publish) ||
        !token_from_flag("--subscribe-token", flags.subscribe_token_file, &tokens.subscribe) ||
        !token_from_flag("--admin-token", flags.admin_token_file, &tokens.admin))
        return EXIT_USAGE;
    fd_limit_raise();
    return run(&flags, &tokens);
}
