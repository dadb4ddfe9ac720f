"""uproar-load compare: three transports of one server side by side. Judged are its books and that
the figures are there, never how good they are.
"""
from lib import check, load, server, testing

NAMES = ['WebSocket', 'SSE', 'long-poll']
HEAD_MIN = 100  # bytes of a poll's request, and of its answer's head


def compare(case, at, *arguments, status=0):
    run = load.Run(case, 'compare', *arguments, f'{at.url}/t/{case.topic}')
    check.equal(run.status, status, f'exit status ({run.finished})')
    return run


@testing.limit(60)
def test_each_transport_has_its_figures_and_nothing_is_lost(case):
    at = case.server
    run = compare(case, at, '-n', 30, '--messages', 20, '--every', 10, '--size', 100, '--pid',
                  at.process.pid)
    rows = run.figures['transports']
    check.equal([row['transport'] for row in rows], NAMES, 'transports')
    for row in rows:
        check.equal((row['subscribers'], row['messages'], row['size']), (30, 20, 100), 'what')
        check.equal((row['missed'], row['got']), (30 * 37, 30 * 37), 'what was missed, and got')
        check.equal([row[key] for key in ('lost', 'twice', 'disordered', 'corrupt', 'failed')],
                    [0] * 5, 'faults')
        check.true(row['cpu_each_ns'] > 0 and 'memory_each_bytes' in row, f'the server: {row}')
        check.true(0 < row['p50_ns'] <= row['p99_ns'], f'latency: {row}')
        check.true(0 < row['back_p50_ns'] <= row['back_p99_ns'], f'coming back: {row}')
    # A frame has a head of 2 bytes; an event a chunk's size, three fields and line ends.
    check.equal([row['received_bytes_each'] for row in rows[:1]], [102.0], 'bytes by WebSocket')
    check.true(110 < rows[1]['received_bytes_each'] < 170, f'bytes by SSE: {rows[1]}')
    check.true(rows[2]['received_bytes_each'] > 100 + HEAD_MIN, f'bytes by polls: {rows[2]}')
    check.equal([row['sent_bytes_each'] for row in rows[:2]], [0.0, 0.0], 'bytes sent by streams')
    check.true(rows[2]['sent_bytes_each'] > HEAD_MIN / 2, f'bytes sent by polls: {rows[2]}')
    check.contains(run.sentence, 'A message of 100 B to each of 30 subscribers costs 102 B by '
                                 'WebSocket', 'the sentence')


@testing.limit(60)
def test_without_pid_it_says_what_is_missing(case):
    run = compare(case, case.server, '-n', 5, '--messages', 3, '--every', 0)
    check.contains('\n'.join(run.lines), '(--pid)', 'the table')
    check.true('cpu_each_ns' not in run.figures['transports'][0], 'CPU time of nobody')


@testing.limit(60)
def test_messages_that_are_trimmed_before_they_come_back_are_lost_and_status_1(case):
    at = case.start('--history-messages', 20)
    run = compare(case, at, '-n', 3, '--messages', 3, '--every', 0, '--timeout', 1, status=1)
    lost = [row['lost'] for row in run.figures['transports']]
    check.true(all(lost), f'lost by each: {lost}')


def test_mistakes_are_status_2(case):
    for url in (f'ws://127.0.0.1:{case.server.port}/t/x', f'{case.server.url}/t/x?last=1',
                f'{case.server.url}/t/{{n}}'):
        wrong = server.Finished([load.path_of(case), 'compare', url])
        check.equal((wrong.status, len(wrong.complaint)), (2, 1), f'{url}: {wrong}')
    gone = case.start()
    gone.stop()
    check.equal(server.Finished([load.path_of(case), 'compare', '-n', '2', '--timeout', '1',
                                 f'{gone.url}/t/x']).status, 1, 'status without a server')
