"""The command line: what is refused, with which words and which exit status.
What a flag changes once it is accepted is with its subject.
"""
import re
import socket

from lib import check, http, testing

ALL = ['--listen', '--threads', '--io', '--max-connections', '--max-message', '--body-memory',
       '--history-messages', '--history-bytes', '--history-seconds', '--slow', '--heartbeat',
       '--ping', '--drain', '--stream-max', '--allow-origin', '--publish-token',
       '--subscribe-token', '--admin-token', '--version', '--help']
NUMBERS = ['--threads', '--max-connections', '--max-message', '--body-memory',
           '--history-messages', '--history-bytes', '--history-seconds', '--heartbeat', '--ping',
           '--drain', '--stream-max']


def check_usage(finished, *words):
    """Exit 2, nothing on stdout, at most two lines on stderr, the first with these words."""
    check.equal(finished.status, 2, f'exit status ({finished})')
    check.equal(finished.stdout, '', 'stdout')
    check.true(1 <= len(finished.complaint) <= 2, f'lines on stderr: {finished.complaint}')
    for word in words:
        check.contains(finished.complaint[0], word, 'the complaint')


def test_an_unknown_flag_names_the_nearest_one(case):
    for given, nearest in (('--thread', '--threads'), ('--lisen', '--listen'),
                           ('--max-mesage', '--max-message'), ('--heart-beat', '--heartbeat'),
                           ('--publish_token', '--publish-token'), ('--versoin', '--version'),
                           ('--history-message', '--history-messages'), ('--pings', '--ping'),
                           ('--slw', '--slow'), ('--admin-tokn', '--admin-token'),
                           ('--stream-mx', '--stream-max')):
        check_usage(case.run(given, '1'), given, nearest)
        check_usage(case.run(f'{given}=1'), given, nearest)


def test_a_word_that_is_no_flag_is_refused(case):
    check_usage(case.run('8080'), '8080')
    check_usage(case.run('--threads', '1', 'start'), 'start')
    check_usage(case.run('-x'), '-x')


def test_a_flag_without_its_value_is_refused(case):
    for flag in [flag for flag in ALL if flag not in ('--version', '--help')]:
        check_usage(case.run(flag), flag)


@testing.limit(60)
def test_numbers_that_are_none_are_refused(case):
    for flag in NUMBERS:
        for value in ('', 'x', '-1', '1x', '0x10', '1.5.2', ' 1', '99999999999999999999999'):
            check_usage(case.run(flag, value), flag)


def test_zero_is_refused_where_it_makes_no_sense(case):
    for flag in ('--threads', '--max-connections', '--max-message', '--stream-max'):
        check_usage(case.run(flag, '0'), flag)


def test_unknown_backends_are_refused_and_the_known_named(case):
    check_usage(case.run('--io', 'kqueue'), '--io', 'kqueue', 'uring', 'epoll')


def test_unknown_policies_for_slow_subscribers_are_refused_and_the_known_named(case):
    for value in ('drop', 'Close', 'close|skip', '1'):
        check_usage(case.run('--slow', value), '--slow', value, 'close', 'skip', 'latest')


def test_every_policy_for_slow_subscribers_is_taken(case):
    for value in ('close', 'skip', 'latest'):
        started = case.start('--slow', value, '--stream-max', 86400)
        check.equal(http.ask(started, 'GET', '/healthz').status, 200, f'status with {value}')


def test_the_longest_intervals_are_taken(case):
    """The kernel's own limits on what follows from them are lower."""
    started = case.start(*[word for flag in ('--heartbeat', '--ping', '--stream-max',
                                             '--history-seconds') for word in (flag, 86400)])
    check.equal(http.ask(started, 'GET', '/healthz').status, 200, 'status')


def test_addresses_that_are_none_are_refused(case):
    for value in ('', 'nonsense', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:x',
                  '[::1', '::1:80x', '256.0.0.1:80', '127.0.0.1:-1'):
        check_usage(case.run('--listen', value), '--listen')


def test_origins_that_are_none_are_refused(case):
    for value in ('', 'nonsense', 'https://'):
        check_usage(case.run('--allow-origin', value), '--allow-origin')


def test_an_unreadable_token_file_is_one_line(case):
    for flag in ('--publish-token', '--subscribe-token', '--admin-token'):
        finished = case.run('--listen', '127.0.0.1:0', flag, '/nowhere/token')
        check_usage(finished, flag, '/nowhere/token')
        check.equal(len(finished.complaint), 1, f'lines: {finished.complaint}')


def test_an_empty_token_file_does_not_mean_that_all_may(case):
    for text in ('', '\n', '  \n'):
        path = case.file(text)
        for flag in ('--publish-token', '--admin-token'):
            check_usage(case.run('--listen', '127.0.0.1:0', flag, path), flag)


def test_version_begins_with_name_and_version(case):
    finished = case.run('--version')
    check.equal((finished.status, finished.stderr), (0, ''), 'status and stderr')
    check.matches(re.compile(r'\Auproar \d+\.\d+\.\d+\n'), finished.stdout, 'stdout')
    check.equal(finished.stdout.split()[1], case.server.version, 'the version of the ready line')


def test_help_names_every_flag(case):
    finished = case.run('--help')
    check.equal((finished.status, finished.stderr), (0, ''), 'status and stderr')
    missing = [flag for flag in ALL if not re.search(re.escape(flag) + r'\b', finished.stdout)]
    check.equal(missing, [], 'flags that --help does not name')
    longest = max(map(len, finished.stdout.splitlines()))
    check.true(longest <= 100, f'a line of --help has {longest} characters')


def test_a_flags_value_may_follow_an_equals_sign(case):
    started = case.start(f'--max-message={50}')
    http.error(http.ask(started, 'POST', '/t/x', body=b'x' * 51), 413)


def free_port_named(complaint, taken):
    """A port in the line other than the one in use, which can be listened on."""
    ports = [int(word) for word in re.findall(r'(?<![\d.])\d{4,5}(?!\d|\.\d)', complaint)
             if word != str(taken)]
    for port in ports:
        try:
            with socket.create_server(('127.0.0.1', port)):
                return port
        except OSError:
            continue
    return None


def check_port_in_use(case, port):
    finished = case.run('--listen', f'127.0.0.1:{port}', '--threads', 2)
    check.equal(finished.status, 1, f'exit status ({finished})')
    check.equal(finished.stdout, '', 'stdout')
    check.equal(len(finished.complaint), 1, f'lines on stderr: {finished.complaint}')
    check.contains(finished.complaint[0], '--listen', 'the complaint')
    check.contains(finished.complaint[0], str(port), 'the complaint')
    check.true(free_port_named(finished.complaint[0], port), f'no free port: {finished.complaint}')


def test_a_port_in_use_is_one_line_that_names_a_free_one(case):
    with socket.create_server(('127.0.0.1', 0)) as holder:
        check_port_in_use(case, holder.getsockname()[1])


def test_a_port_of_another_uproar_is_in_use_too(case):
    """SO_REUSEPORT would let both listen, and split the peers between two logs."""
    check_port_in_use(case, case.server.port)
    check.equal(http.ask(case.server, 'GET', '/healthz').status, 200, 'the first goes on')


def test_a_port_can_be_used_again_at_once(case):
    first = case.start()
    case.peer(at=first).echo('leaves the server in TIME_WAIT')
    first.stop()
    second = case.start(listen=f'127.0.0.1:{first.port}')
    check.equal(http.ask(second, 'GET', '/healthz').status, 200, 'status')


def test_more_connections_than_descriptors_are_refused_at_start_with_epoll(case):
    finished = case.run('--io', 'epoll', '--listen', '127.0.0.1:0', '--max-connections', '100000',
                        nofile=256)
    check.one_of(finished.status, (1, 2), f'exit status ({finished})')
    check.contains(finished.stderr, '--max-connections', 'stderr')
    check.matches(re.compile(r'256|NOFILE|ulimit|descriptor'), finished.stderr, 'the reason')
