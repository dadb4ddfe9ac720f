"""What operators look at: the banner, metrics, the chosen backend, listeners.
Flags are in test_flags.py, ends in test_drain.py.
"""
import re
import shlex
import socket

from lib import check, http, testing

# DESIGN, section 4: a dashboard that is built once must go on working.
METRICS = {
    'uproar_build_info': 'gauge', 'uproar_connections': 'gauge', 'uproar_accepts_total': 'counter',
    'uproar_refused_total': 'counter', 'uproar_received_bytes_total': 'counter',
    'uproar_sent_bytes_total': 'counter', 'uproar_messages_published_total': 'counter',
    'uproar_publish_rejected_total': 'counter', 'uproar_deliveries_total': 'counter',
    'uproar_slow_closes_total': 'counter', 'uproar_history_bytes': 'gauge',
    'uproar_history_messages': 'gauge', 'uproar_topics': 'gauge', 'uproar_subscriptions': 'gauge',
    'uproar_reactor_ring_entries': 'gauge', 'uproar_wakeups_total': 'counter',
    'uproar_publish_to_send_seconds': 'histogram',
    'process_cpu_seconds_total': 'counter', 'process_resident_memory_bytes': 'gauge',
    'process_open_fds': 'gauge', 'process_max_fds': 'gauge', 'process_start_time_seconds': 'gauge',
}
CURL = re.compile(r'curl .*$', re.M)


def test_the_first_line_on_stdout_is_the_ready_line(case):
    server = case.server
    check.equal(server.stdout.splitlines()[0],
                f'uproar {server.version} ready http://127.0.0.1:{server.port}', 'the first line')


def test_the_banner_names_the_addresses(case):
    check.eventually(lambda: len(CURL.findall(case.server.stdout)) >= 2, 'two curl lines on stdout')
    check.contains(case.server.stdout, f'http://127.0.0.1:{case.server.port}/t/', 'the banner')
    check.contains(case.server.stdout, f'ws://127.0.0.1:{case.server.port}/t/', 'the banner')


def test_the_curl_lines_of_the_banner_work_when_pasted(case):
    check.eventually(lambda: len(CURL.findall(case.server.stdout)) >= 2, 'two curl lines on stdout')
    subscribe, publish = CURL.findall(case.server.stdout)[:2]
    output = case.start_command('bash', '-c', f'exec {subscribe}')
    check.eventually(lambda: b'id: ' in output.read_bytes(), f'first block from: {subscribe}')
    answer = case.command('bash', '-c', publish.replace('curl ', 'curl -sS ', 1))
    check.matches(re.compile(r'"id": ?"[0-9a-f]{16}-\d+"'), answer, f'the answer to: {publish}')
    check.eventually(lambda: b'data: ' in output.read_bytes(), f'the message, from: {publish}')
    check.true(len(shlex.split(publish)) >= 3, f'hardly a command: {publish}')


def test_nothing_else_goes_to_stdout(case):
    server = case.start()
    before = server.stdout
    http.publish(server, 'x', b'x')
    http.error(http.ask(server, 'POST', '/t/x', [('Origin', 'http://evil.example')], b'x'), 403)
    http.ask(server, 'GET', '/nowhere')
    server.stop()
    check.equal(server.stdout, before, 'stdout at the end')


def test_metrics_are_prometheus_text(case):
    http.publish(case.server, case.topic, b'x')  # the histogram has something to show
    response = http.ask(case.server, 'GET', '/metrics')
    check.matches(re.compile(r'^text/plain; ?version=0\.0\.4(; ?charset=utf-8)?$', re.I),
                  response.get('content-type'), 'Content-Type')
    metrics = case.server.metrics()  # parses strictly
    without = [name for name in metrics.types if name not in metrics.helps]
    check.equal(without, [], 'families without HELP')


def test_metrics_have_the_agreed_names_and_types(case):
    types = case.server.metrics().types
    process_only = {name for name in METRICS if name.startswith('process_')}
    wrong = {name: types.get(name) for name, kind in METRICS.items()
             if types.get(name) != kind and not (name in process_only and name not in types)}
    check.equal(wrong, {}, 'families that are missing or of another type')
    check.true(process_only & set(types), 'no process_* metric')


def test_build_info_names_version_and_backend(case):
    metrics = case.server.metrics()
    check.equal(metrics.label_values('uproar_build_info', 'version'), {case.server.version},
                'version')
    backends = metrics.label_values('uproar_build_info', 'io')
    allowed = {'uring', 'epoll'} if case.io == 'auto' else {case.io}
    check.true(len(backends) == 1 and backends <= allowed, f'backends: {backends}')


def test_the_chosen_backend_is_logged_at_start(case):
    chosen = case.server.metrics().label_values('uproar_build_info', 'io').pop()
    word = 'io_uring|uring' if chosen == 'uring' else 'epoll'
    check.matches(re.compile(word), case.server.stderr, 'stderr')


def test_the_program_uses_the_backend_that_it_names(case):
    """Its file descriptors tell: an epoll server has epoll instances, the other has rings."""
    chosen = case.server.metrics().label_values('uproar_build_info', 'io').pop()
    wanted = 'anon_inode:[io_uring]' if chosen == 'uring' else 'anon_inode:[eventpoll]'
    found = case.command('ls', '-l', f'/proc/{case.server.process.pid}/fd')
    check.true(found.count(wanted) >= 2, f'{wanted} for each of two reactors in: {found}')


def test_each_reactor_has_its_ring_in_the_metrics(case):
    server = case.start(threads=3)
    metrics = server.metrics()
    for name in ('uproar_reactor_ring_entries', 'uproar_wakeups_total'):
        check.equal(metrics.label_values(name, 'reactor'), {'0', '1', '2'}, name)


def test_counters_move_by_what_happened(case):
    server = case.start()
    before = server.metrics()
    peer, stream = case.peer('x', at=server), case.stream('x', at=server)
    server.wait_metric(2, 'uproar_subscriptions')
    for _ in range(10):
        peer.echo('x' * 100)
        stream.event()
    server.wait_metric(10, 'uproar_messages_published_total', source='ws')
    for proto in ('ws', 'sse'):
        server.wait_metric(10, 'uproar_deliveries_total', proto=proto)
    server.wait_metric(10, 'uproar_history_messages')
    after = server.metrics()
    for name, at_least, labels in (
            ('uproar_history_bytes', 1000, {}), ('uproar_topics', 1, {}),
            ('uproar_received_bytes_total', 1000, {'proto': 'ws'}),
            ('uproar_sent_bytes_total', 1000, {'proto': 'sse'}), ('uproar_accepts_total', 3, {}),
            ('uproar_publish_to_send_seconds_count', 1, {})):
        grown = after.sum(name, **labels) - before.sum(name, **labels)
        check.true(grown >= at_least, f'{name}{labels} grew by {grown}')


def test_history_is_bounded_by_count(case):
    server = case.start('--history-messages', 50)
    for _ in range(120):
        http.publish(server, 'x', b'x')
    check.true(server.metrics().sum('uproar_history_messages') <= 50, 'messages in history')


def test_history_is_bounded_by_bytes(case):
    server = case.start('--history-bytes', 100000)
    peer = case.peer('x', at=server)
    for _ in range(100):
        peer.echo('x' * 10000)
    metrics = server.metrics()
    check.true(metrics.sum('uproar_history_bytes') <= 100000, 'bytes in history')
    check.true(0 < metrics.sum('uproar_history_messages') < 10, 'messages in history')


def test_history_is_bounded_by_age(case):
    server = case.start('--history-seconds', 1)
    http.publish(server, 'x', b'x')
    check.eventually(lambda: server.metrics().sum('uproar_history_messages') == 0,
                     'the message is forgotten')


def test_several_listeners_serve_the_same_log(case):
    with socket.create_server(('127.0.0.1', 0)) as probe:
        second = probe.getsockname()[1]
    server = case.start('--listen', f'127.0.0.1:{second}')
    stream = case.stream('x', at=server)
    connection = case.keep(http.Connection(second))
    http.published(connection.ask('POST', '/t/x', body=b'through the other'), 'x')
    check.equal(stream.event().data, 'through the other', 'data')


def test_ipv6_is_listened_on_when_asked(case):
    if not has_ipv6():
        raise check.Skipped('this machine has no IPv6')
    server = case.start(listen='[::1]:0')
    check.equal(server.url, f'http://[::1]:{server.port}', 'the ready line')
    connection = case.keep(http.Connection(server.port, host='::1'))
    check.equal(connection.ask('GET', '/healthz').status, 200, 'status')


def has_ipv6():
    try:
        with socket.create_server(('::1', 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@testing.limit(60)
def test_every_reactor_serves(case):
    """With one reactor stuck, a part of all connections would never be answered."""
    server = case.start(threads=4)
    for _ in range(64):
        check.equal(http.ask(server, 'GET', '/healthz').status, 200, 'status')
