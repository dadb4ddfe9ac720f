"""What is measured: each case's arguments for the client and the floor, its gate and its goal.
Starts nothing and prints nothing."""

RUN_SECONDS_MAX = 120
RESUME_SECONDS_MAX = 40  # a run: a row is bounded as any other run is
US, BYTES = "us", "B"
KERNEL_GOAL = 1.10  # an idle connection's kernel memory, to a bare socket's
# The three that are gated at each change; the others take their time.
GATED = ["fanout", "coalesce", "idle"]
# They need uproar's own options: no other server can be judged by them.
UPROARS = ["reactors", "deflate", "resume"]


class Case:
    """One figure: how to get it from the client, and what it is held against."""

    def __init__(self, name, client, value, unit, **more):
        self.name, self.client, self.value, self.unit = name, client, value, unit
        self.kind = None  # what bench/run calls it
        self.proto = "sse" if "--sse" in client else "ws"
        self.floor = more.get("floor", [])  # arguments of the floor
        self.args = more.get("args", [])  # of uproar's own
        self.threads = more.get("threads")  # reactors of the server; None: as it was given
        self.threads_beside = more.get("threads_beside")  # of itself instead of the floor
        self.client_beside = more.get("client_beside")  # the same, for the client
        self.peer_client = more.get("peer_client", [])  # the client's, besides, with a peer
        self.gate = more.get("gate")  # fails above it; None: nothing agreed
        self.goal = more.get("goal")  # said, not enforced
        self.absolute = more.get("absolute", False)  # gate the server's own value, not the ratio
        self.conns = more.get("conns", 0)
        self.program = more.get("program")  # None: the client
        self.seconds = more.get("seconds", RUN_SECONDS_MAX)


def paced_args(proto, conns, messages):
    """One message per send: a fixed 50,000 deliveries/s, one message in flight."""
    return ["fanout", "--conns", conns, "--bytes", 512, "--rate", 50000, "--messages", messages,
            "--warmup", messages // 5] + proto_args(proto)


def fanout_cases(proto):
    for conns, messages in ((1000, 150), (10000, 30)):
        yield Case(f"fan-out {proto} {conns} x 512 B", paced_args(proto, conns, messages),
                   "cpu_us_per_delivery", US, gate=1.10, goal=1.05, conns=conns)


def reactors_cases(proto):
    """The same with two reactors, which share the topic; beside it the same server with one."""
    for conns, messages in ((1000, 150), (10000, 30)):
        yield Case(f"2 reactors / 1, {proto} {conns} x 512 B", paced_args(proto, conns, messages),
                   "cpu_us_per_delivery", US, goal=1.05, conns=conns, threads=2, threads_beside=1)


def deflate_cases():
    """Compressed once for all; beside it the same server with messages that are as long as those
    were on the wire."""
    for conns, messages in ((1000, 150), (10000, 30)):
        plain = paced_args("ws", conns, messages)
        yield Case(f"compressed / plain, ws {conns}", plain + ["--deflate", "--bytes", 2048],
                   "cpu_us_per_delivery", US, goal=1.05, conns=conns, threads=1,
                   threads_beside=1, client_beside=plain)


def coalesce_cases(proto, window, publishers):
    """As fast as it goes, the same window for all. A message costs peers up to forty times as
    much, so they get fewer: the figure is per delivery."""
    for conns, messages in ((1000, 8000), (10000, 800)):
        fewer = messages // 8
        yield Case(f"as fast as it goes {proto} {conns} x 512 B",
                   ["fanout", "--conns", conns, "--bytes", 512, "--window", window,
                    "--publishers", publishers, "--messages", messages,
                    "--warmup", messages // 5] + proto_args(proto),
                   "cpu_us_per_delivery", US, floor=["-b"], gate=1.25, goal=1.10, conns=conns,
                   peer_client=["--messages", fewer, "--warmup", fewer // 5])


def idle_cases(proto):
    yield Case(f"idle {proto} 15000", ["idle", "--conns", 15000, "--settle", 2000]
               + proto_args(proto), "user_bytes_per_conn", BYTES,
               gate=192, goal=192, absolute=True, conns=15000)


def echo_cases(path):
    for conns in (100, 5000):
        yield Case(f"echo {conns} x 64 B",
                   ["echo", "--conns", conns, "--bytes", 64, "--messages", 200000,
                    "--warmup", 40000, "--path", path],
                   "cpu_us_per_round", US, args=["--target"], floor=["-e"], gate=1.10, goal=1.06,
                   conns=conns)


def connect_cases():
    yield Case("connect + upgrade + close", ["connect", "--conns", 32, "--messages", 20000,
                                             "--warmup", 2000],
               "cpu_us_per_round", US, gate=1.10, goal=1.05)


def publish_cases():
    """Messages to a topic without subscribers: one in flight on each of many connections, or many
    on one. What is counted is each that was accepted."""
    for publishers in (64, 1):
        for size in (64, 512):
            how = "64 publishers" if publishers > 1 else "1 pipelining"
            yield Case(f"publish, {how}, {size} B",
                       ["publish", "--publishers", publishers, "--window", 64, "--bytes", size,
                        "--messages", 100000, "--warmup", 20000, "--path", "/t/nobody"],
                       "cpu_us_per_round", US, conns=publishers)


def resume_cases(program):
    """10,000 resume at once. Not a ratio: no turn of the loop may take longer than 50 ms."""
    for threads in (1, 2):
        yield Case(f"resume, {threads} reactor{'s'[:threads - 1]}", [], "turns_above_50_ms", "",
                   gate=0, goal=0, absolute=True, conns=10000, program=program,
                   seconds=RESUME_SECONDS_MAX, threads=threads)


def proto_args(proto):
    return ["--sse"] if proto == "sse" else []


def makers_of(options):
    """By name: what makes the cases. Their order is that of `all`."""
    protos = ["ws", "sse"] if options.proto == "both" else [options.proto]
    return {
        "fanout": lambda: [c for p in protos for c in fanout_cases(p)],
        "coalesce": lambda: [c for p in protos for c in coalesce_cases(p, options.window,
                                                                      options.publishers)],
        "idle": lambda: [c for p in protos for c in idle_cases(p)],
        "deflate": deflate_cases,
        "echo": lambda: echo_cases(options.echo_path),
        "connect": connect_cases,
        "publish": publish_cases,
        "reactors": lambda: [c for p in protos for c in reactors_cases(p)],
        "resume": lambda: resume_cases(options.resume),
    }


def kinds_of(options):
    if options.what == "gated":
        return GATED
    if options.what != "all":
        return [options.what]
    return [kind for kind in makers_of(options)
            if kind not in UPROARS or not options.is_foreign]


def cases_of(options):
    makers, cases = makers_of(options), []
    for kind in kinds_of(options):
        for case in makers[kind]():
            case.kind = kind
            cases.append(case)
    return [c for c in cases if not options.conns or c.conns in options.conns]
