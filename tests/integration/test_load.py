"""The load generator against the server, and against servers with planted faults: what it must find
it finds, and nothing else. Counts only: how fast it is is nobody's business here.
"""
import re
import subprocess
import threading

from lib import check, faulty, http, load, prometheus, testing

SCHEMES = ['ws', 'http']


def url(case, scheme, topic=None, at=None):
    return f'{scheme}://127.0.0.1:{(at or case.server).port}/t/{topic or case.topic}'


def connections_of(server, protocol):
    return prometheus.parse(http.ask(server, 'GET', '/metrics').body.decode()).sum(
        'uproar_connections', proto=protocol)


# --- against the server --------------------------------------------------------------------------

def test_idle_connections_are_held(case):
    for scheme in SCHEMES:
        figures = load.clean(case, 'idle', '-n', 200, '--hold', 1, url(case, scheme))
        check.equal(figures['connections']['opened'], 200, 'opened')
        check.equal(figures['connections']['dropped'], 0, 'dropped')
        check.equal(figures['handshake']['count'], 200, 'handshakes that were timed')
        check.true(figures['held']['ns'] >= 1e9, f'held for {figures["held"]}')
        check.matches(re.compile(r'200 \S+ connections held for .*: 0 failed, 0 lost'),
                      figures['sentence'], 'the sentence')


def test_idle_connections_answer_pings(case):
    server = case.start('--ping', 1)
    figures = load.clean(case, 'idle', '-n', 20, '--hold', 4, url(case, 'ws', at=server))
    check.true(figures['connections']['pings_answered'] >= 20, f'pings: {figures["connections"]}')


def test_every_message_of_a_fanout_is_delivered(case):
    for scheme in SCHEMES:
        figures = load.clean(case, 'fanout', '-n', 50, '--messages', 30, '--every', 10, '--size',
                             300, url(case, scheme))
        messages = figures['messages']
        check.equal(messages['published'], 30, 'published')
        check.equal((messages['delivered'], messages['expected']), (1500, 1500), 'deliveries')
        check.equal(figures['latency']['count'], 1500, 'latencies')
        check.equal((messages['foreign'], messages['size']), (0, 300), 'foreign, size')


def test_a_fanout_goes_as_fast_as_the_answers_come(case):
    figures = load.clean(case, 'fanout', '-n', 20, '--messages', 200, '--every', 0,
                         url(case, 'ws'))
    check.equal(figures['messages']['delivered'], 4000, 'delivered')


@testing.limit(60)
def test_a_fanout_to_2000_subscribers(case):
    for scheme in SCHEMES:
        figures = load.clean(case, 'fanout', '-n', 2000, '--messages', 10, '--size', 1000,
                             url(case, scheme))
        check.equal(figures['messages']['delivered'], 20000, 'delivered')


def test_large_messages_are_read_in_pieces(case):
    for scheme in SCHEMES:
        figures = load.clean(case, 'fanout', '-n', 5, '--messages', 4, '--size', '300k',
                             url(case, scheme))
        check.equal(figures['messages']['delivered'], 20, 'delivered')


def test_a_fanout_is_found_in_envelopes(case):
    figures = load.clean(case, 'fanout', '-n', 5, '--messages', 5, '--subprotocol', 'uproar.json',
                         url(case, 'ws'))
    check.equal(figures['messages']['delivered'], 25, 'delivered')


def test_a_fanout_is_published_where_one_says(case):
    figures = load.clean(case, 'fanout', '-n', 5, '--messages', 5, '--publish',
                         url(case, 'http'), url(case, 'http') + '?after=now')
    check.equal(figures['messages']['delivered'], 25, 'delivered')


def test_a_fanout_is_published_to_its_own_path_without_the_query(case):
    server = case.keep(faulty.Server())
    load.clean(case, 'fanout', '-n', 2, '--messages', 2, server.url('ws') + '?after=now')
    check.equal(server.posted_to, ['/t/x', '/t/x'], 'where messages were posted')


def test_messages_of_others_are_no_fault(case):
    publisher = case.peer()
    running = load.Running(case, 'fanout', '-n', 5, '--messages', 20, '--hold', 3, url(case, 'ws'))
    check.eventually(lambda: connections_of(case.server, 'ws') >= 6, 'subscribers')
    publisher.send_text('from somebody else')
    status, _, figures = running.end()
    check.equal(status, 0, 'exit status')
    check.equal(figures['messages']['foreign'], 5, 'foreign')


def test_echoes_come_back(case):
    for more in [[], ['--every', 5]]:
        figures = load.clean(case, 'echo', '-n', 20, '--messages', 25, *more,
                             url(case, 'ws', f'{case.topic}-{{n}}'))
        check.equal(figures['messages']['delivered'], 500, 'delivered')
        check.equal(figures['latency']['count'], 500, 'latencies')


def test_an_echo_is_told_from_those_of_others(case):
    figures = load.clean(case, 'echo', '-n', 4, '--messages', 5, url(case, 'ws'))
    check.equal(figures['messages']['delivered'], 20, 'delivered')
    check.equal(figures['messages']['duplicated'], 0, 'duplicated')


def test_connections_come_and_go(case):
    for scheme, protocol in [('ws', 'ws'), ('http', 'sse')]:
        figures = load.clean(case, 'connect', '-n', 1500, url(case, scheme))
        check.equal(figures['connections']['opened'], 1500, 'opened')
        check.eventually(lambda protocol=protocol: connections_of(case.server, protocol) == 0,
                         'all are gone')


def test_the_rate_is_kept(case):
    figures = load.clean(case, 'connect', '-n', 100, '--rate', 100, url(case, 'ws'))
    check.true(figures['connections']['connect_ns'] >= 0.98e9, f'{figures["connections"]}')


def test_the_servers_usage_is_reported(case):
    figures = load.clean(case, 'fanout', '-n', 100, '--messages', 20, '--every', 0, '--pid',
                         case.server.process.pid, url(case, 'ws'))
    check.true(figures['server']['cpu_ns_per_delivery'] > 0, f'{figures["server"]}')
    figures = load.clean(case, 'idle', '-n', 500, '--hold', 0, '--pid', case.server.process.pid,
                         url(case, 'ws'))
    check.true('pss_bytes_per_connection' in figures['server'], f'{figures["server"]}')
    check.true('kernel_bytes_per_connection' in figures, 'kernel memory')


@testing.limit(60)
def test_20000_idle_connections_stand_in_tables_of_fewer(case):
    """Both ends have fewer open files than connections, so both spread them over several rings."""
    if case.io == 'epoll':
        run = load.Run(case, 'idle', '-n', 3000, url(case, 'ws'), nofile=1024)
        check.equal(run.status, 1, f'exit status ({run.finished})')
        check.contains(run.finished.stderr, 'doctor -n 3000', 'the advice')
        return
    server = case.start('--max-connections', 21000, nofile=8192)
    if re.search(r'let go at once +no', server.stderr):
        raise check.Skipped('this kernel has slots that are descriptors')
    figures = load.clean(case, 'idle', '-n', 20000, '--hold', 1, url(case, 'ws', at=server),
                         nofile=8192)
    check.equal(figures['connections']['opened'], 20000, 'opened')
    figures = load.clean(case, 'fanout', '-n', 10000, '--messages', 3, url(case, 'http', at=server),
                         nofile=1024)
    check.equal(figures['messages']['delivered'], 30000, 'delivered')


def test_the_servers_time_is_told_by_message_and_by_second(case):
    server = case.start()
    figures = load.clean(case, 'fanout', '-n', 20, '--messages', 3, '--every', 200, '--hold', 2,
                         '--pid', server.process.pid, url(case, 'ws', at=server))
    check.equal(len(figures['server']['cpu_ns_of_each_message']), 3, 'messages')
    check.equal(len(figures['held']['server_cpu_ns_of_each_step']), 2, 'seconds')
    each = figures['server']['cpu_ns_of_each_message']
    check.true(0 < sum(each) <= figures['server']['cpu_ns'], f'{figures["server"]}')


def test_urls_take_turns(case):
    figures = load.clean(case, 'fanout', '-n', 7, '--messages', 5, '--hold', 1, url(case, 'ws'),
                         url(case, 'http'))
    check.equal(figures['messages']['delivered'], 35, 'delivered')
    check.equal((figures['ws'], figures['sse']), (True, True), 'protocols')
    running = load.Running(case, 'idle', '-n', 9, url(case, 'ws'), url(case, 'http'))
    check.eventually(lambda: (connections_of(case.server, 'ws'),
                              connections_of(case.server, 'sse')) == (5, 4), 'five and four')
    running.interrupt()
    running.end()


def test_a_drain_tells_everybody(case):
    server = case.start('--drain', 5)
    figures = load.clean(case, 'fanout', '-n', 300, '--messages', 2, '--drain', '--pid',
                         server.process.pid, url(case, 'ws', at=server),
                         url(case, 'http', at=server))
    check.equal((figures['drain']['connections'], figures['drain']['told']), (300, 300), 'told')
    check.equal(figures['connections']['dropped'], 0, 'dropped')
    check.equal(server.wait_exit(), 0, 'exit status of the server')


def test_who_is_not_told_of_the_end_is_counted(case):
    server = case.start('--drain', 0)
    idler = case.start()
    figures = load.faulty(case, 'idle', '-n', 5, '--hold', 0, '--drain', '--timeout', 1, '--pid',
                          idler.process.pid, url(case, 'ws', at=server))
    check.equal((figures['drain']['connections'], figures['drain']['told']), (5, 0), 'told')
    check.equal(idler.wait_exit(), 0, 'exit status of the one that was ended')


# --- against faults ------------------------------------------------------------------------------

def fanout_with(case, scheme, handle):
    """The messages' figures of a fan-out with that fault in it."""
    server = case.keep(faulty.Server(handle))
    return load.faulty(case, 'fanout', '-n', 3, '--messages', 10, '--every', 1, '--hold', 0,
                       '--timeout', 1, server.url(scheme))['messages']


def only(messages, **expected):
    """These and no other faults."""
    for fault in ['lost', 'duplicated', 'disordered', 'corrupt']:
        check.equal(messages[fault], expected.get(fault, 0), f'{fault} in {messages}')


def test_nothing_is_found_where_nothing_is_wrong(case):
    for scheme in SCHEMES:
        server = case.keep(faulty.Server())
        messages = load.clean(case, 'fanout', '-n', 3, '--messages', 10, '--every', 1,
                              server.url(scheme))['messages']
        check.equal(messages['delivered'], 30, 'delivered')
    server = case.keep(faulty.Server())
    load.clean(case, 'echo', '-n', 3, '--messages', 10, server.url('ws'))


def test_a_lost_message_is_found(case):
    for scheme in SCHEMES:
        only(fanout_with(case, scheme, faulty.lose), lost=1)
        only(fanout_with(case, scheme, faulty.lose_the_last), lost=1)


def test_a_message_that_comes_twice_is_found(case):
    for scheme in SCHEMES:
        only(fanout_with(case, scheme, faulty.duplicate), duplicated=1)


def test_messages_out_of_order_are_found(case):
    for scheme in SCHEMES:
        only(fanout_with(case, scheme, faulty.Reorder()), disordered=1)


def test_a_truncated_message_is_found(case):
    for scheme in SCHEMES:
        only(fanout_with(case, scheme, faulty.truncate), corrupt=1, lost=1)


def test_a_changed_message_is_found(case):
    for scheme in SCHEMES:
        only(fanout_with(case, scheme, faulty.change), corrupt=1, lost=1)


def test_faults_of_an_echo_are_found(case):
    for handle, fault in [(faulty.lose, 'lost'), (faulty.duplicate, 'duplicated'),
                          (faulty.truncate, 'corrupt')]:
        server = case.keep(faulty.Server(handle))
        figures = load.faulty(case, 'echo', '-n', 3, '--messages', 10, '--timeout', 1,
                              server.url('ws'))
        check.true(figures['messages'][fault] >= 1, f'{fault}: {figures["messages"]}')


def test_an_echo_waits_for_the_slow_ones_when_a_fast_one_has_left(case):
    server = case.keep(faulty.Server(faulty.slow_but_for_the_first, leaves=(0, 3)))
    figures = load.faulty(case, 'echo', '-n', 3, '--messages', 3, server.url('ws'))
    check.equal(figures['connections']['dropped'], 1, 'dropped')
    messages = figures['messages']
    check.equal((messages['delivered'], messages['lost']), (9, 0), 'delivered, lost')


def test_bytes_around_a_message_are_found(case):
    for scheme in SCHEMES:
        only(fanout_with(case, scheme, faulty.put_around), corrupt=1, lost=1)


def test_a_publisher_that_is_told_to_wait_tries_again(case):
    server = case.keep(faulty.Server(statuses=[503, 201, 503, 429]))
    figures = load.clean(case, 'fanout', '-n', 3, '--messages', 5, '--every', 1,
                         server.url('ws'))
    check.equal(figures['messages']['retried'], 3, 'retried')
    check.equal(figures['messages']['delivered'], 15, 'delivered')


def test_a_publisher_that_is_always_told_to_wait_gives_up(case):
    server = case.keep(faulty.Server(statuses=[503] * 1000))
    figures = load.faulty(case, 'fanout', '-n', 3, '--messages', 5, '--hold', 0, '--timeout', 1,
                          server.url('ws'))
    check.contains(figures['trouble'], 'HTTP 503', 'the trouble')


def test_a_publisher_that_is_refused_says_why(case):
    server = case.keep(faulty.Server(statuses=[201, 403]))
    figures = load.faulty(case, 'fanout', '-n', 3, '--messages', 5, '--every', 1,
                          server.url('http'))
    check.contains(figures['trouble'], 'HTTP 403', 'the trouble')
    check.equal(figures['messages']['published'], 1, 'published')


def test_a_wrong_handshake_is_found(case):
    server = case.keep(faulty.Server(accept=lambda key: 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='))
    figures = load.faulty(case, 'idle', '-n', 3, '--hold', 0, server.url('ws'))
    check.equal(figures['connections']['causes'], {'wrong Sec-WebSocket-Accept': 3}, 'causes')


def test_refusals_are_counted_by_cause(case):
    figures = load.faulty(case, 'idle', '-n', 5, '--hold', 0,
                          f'ws://127.0.0.1:{case.server.port}/nowhere')
    check.equal(figures['connections']['causes'], {'refused: HTTP 404': 5}, 'causes')
    check.equal(figures['connections']['failed'], 5, 'failed')


def test_nobody_listening_is_a_failure(case):
    server = faulty.Server()
    server.close()
    figures = load.faulty(case, 'connect', '-n', 5000, server.url('ws'))
    check.equal(figures['connections']['causes'],
                {'Connection refused': 1000, 'not tried: there was no hope': 4000}, 'causes')
    check.equal(figures['connections']['failed'], 5000, 'failed')


def test_a_server_that_never_answers_is_not_waited_for_long(case):
    server = case.keep(faulty.Server(silent=True))
    figures = load.faulty(case, 'idle', '-n', 3, '--hold', 0, '--timeout', 1, server.url('ws'))
    check.equal(figures['connections']['causes'], {'no answer in time': 3}, 'causes')


def test_a_close_that_is_never_answered_is_not_waited_for_long(case):
    server = case.keep(faulty.Server())
    figures = load.faulty(case, 'connect', '-n', 3, '--timeout', 1, server.url('ws'))
    check.equal(figures['connections']['causes'], {'no answer to a close in time': 3}, 'causes')


def test_streams_that_a_full_server_refuses_have_failed(case):
    server = case.start('--max-connections', 5)
    for _ in range(5):
        case.peer(at=server)
    for mode in [['connect'], ['idle', '--hold', 0]]:
        figures = load.faulty(case, *mode, '-n', 4, url(case, 'http', at=server))
        check.equal(figures['connections']['failed'], 4, f'failed of {mode}')


def test_a_server_that_goes_away_drops_everybody(case):
    server = case.start('--drain', 0)
    running = load.Running(case, 'idle', '-n', 50, '--hold', 30, url(case, 'ws', at=server))
    check.eventually(lambda: connections_of(server, 'ws') == 50, 'all are there')
    server.stop()
    running.interrupt()
    status, _, figures = running.end()
    check.equal(status, 1, 'exit status')
    check.equal(figures['connections']['dropped'], 50, 'dropped')
    check.contains(' '.join(figures['connections']['causes']), '1001', 'causes')


# --- its manners ---------------------------------------------------------------------------------

def test_ctrl_c_ends_early_with_a_report(case):
    for arguments in [['idle', '--hold', 60], ['fanout', '--messages', 10000],
                      ['echo', '--messages', 10000, '--every', 100]]:
        running = load.Running(case, *arguments, '-n', 10, url(case, 'ws'))
        check.eventually(lambda: connections_of(case.server, 'ws') == 10, 'all are there')
        running.interrupt()
        status, out, figures = running.end()
        check.equal(status, 0, f'exit status of {arguments}: {out}')
        check.equal(figures['interrupted'], True, 'interrupted')
        check.contains(out.splitlines()[-1], '(interrupted).', 'the last line')
        check.eventually(lambda: connections_of(case.server, 'ws') == 0, 'all are gone')


def test_ctrl_c_ends_what_waits_for_an_answer(case):
    asked = []
    server = case.keep(faulty.Server(lambda *of: asked.append(of) or []))
    running = load.Running(case, 'echo', '-n', 3, '--timeout', 60, server.url('ws'))
    check.eventually(lambda: len(asked) == 3, 'all have said something')
    running.interrupt()
    status, out, figures = running.end()
    check.equal((status, figures['messages']['lost']), (1, 3), f'exit status, lost: {out}')


def test_ctrl_c_before_anybody_is_in_is_no_success(case):
    server = case.keep(faulty.Server(silent=True))
    running = load.Running(case, 'idle', '-n', 3, '--timeout', 60, server.url('ws'))
    check.eventually(lambda: len(server.open) == 3, 'all are connected')
    running.interrupt()
    check.equal(running.end()[0], 1, 'exit status')


def test_a_server_of_pid_that_ends_is_told_and_not_reckoned_with(case):
    server = case.keep(faulty.Server())
    for arguments in [['fanout', '--hold', 0, '--messages', 40], ['idle', '--hold', 4]]:
        wanted = len(server.subscribers) + 3
        with subprocess.Popen(['sleep', '60']) as other:
            def end():
                check.eventually(lambda: len(server.subscribers) == wanted, 'all are there')
                other.kill()
                other.wait()
            ending = threading.Thread(target=end)
            ending.start()
            figures = load.faulty(case, *arguments, '-n', 3, '--pid', other.pid, server.url('ws'))
            ending.join()
        check.contains(figures['trouble'], '--pid ended', 'the trouble')
        check.true('server' not in figures, f'figures of nobody: {figures.get("server")}')


def test_a_report_that_cannot_be_written_is_no_success(case):
    server = case.keep(faulty.Server())
    with open('/dev/full', 'w') as full:
        status = subprocess.run([load.path_of(case), 'connect', '-n', '1', server.url('http')],
                                stdout=full, stderr=subprocess.DEVNULL, timeout=20).returncode
    check.equal(status, 1, 'exit status')
    told = load.server.Finished([load.path_of(case), 'connect', '-n', '1', '--json',
                                 '/no/such/folder/x', server.url('http')])
    check.equal(told.status, 2, 'exit status, before anything is done')
    check.contains(told.stderr, '--json /no/such/folder/x', 'what is said')


def test_mistakes_are_told_with_exit_status_2(case):
    for arguments, said in [(['idle', '--hodl', '3', 'ws://h/'], '--hold'),
                            (['idle'], 'URL is missing'),
                            (['idle', 'wss://h/'], 'TLS'),
                            (['echo', 'http://127.0.0.1:1/'], 'no echo'),
                            (['fanout', 'ws://127.0.0.1:1/{n}'], '{n}'),
                            (['idle', '--source', '10.0.0.1-', 'ws://127.0.0.1:1/'], '--source'),
                            (['idle', '--pid', '4194303', 'ws://127.0.0.1:1/'], '--pid')]:
        run = load.Run(case, *arguments)
        check.equal(run.status, 2, f'exit status of {arguments} ({run.finished})')
        check.contains(run.finished.stderr, said, f'what is said to {arguments}')
        check.equal(len(run.finished.complaint), 1, 'lines')


def test_help_and_version(case):
    told = load.server.Finished([load.path_of(case), '--help'])
    check.equal((told.status, told.stderr), (0, ''), 'exit status, stderr')
    check.contains(told.stdout, '--connections N', 'help')
    told = load.server.Finished([load.path_of(case), '--version'])
    check.matches(re.compile(r'^uproar-load \d+\.\d+\.\d+\n$'), told.stdout, 'version')


def test_the_doctor_finds_what_is_in_the_way(case):
    fine = load.Run(case, 'doctor', '-n', 100, url(case, 'ws'))
    check.equal(fine.status, 0, f'exit status ({fine.finished})')
    check.contains(fine.sentence, 'nothing here would stop them', 'the last line')
    ill = load.Run(case, 'doctor', '--io', 'epoll', '-n', 5000, nofile=2000)
    check.equal(ill.status, 1, f'exit status ({ill.finished})')
    check.contains(ill.finished.stdout, 'prlimit --nofile=5064', 'how to mend it')
