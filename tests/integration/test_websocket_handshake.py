"""The opening handshake (RFC 6455, 4.2): what upgrades, what does not, and what the peer is told.
Frames are in test_websocket.py; origins and tokens with their groups.
"""
from lib import check, http, websocket


def ask(case, fields, target=None, method='GET', **how):
    return http.ask(case.server, method, target or f'/t/{case.topic}', fields, **how)


def fields_with(*extra, without=()):
    return websocket.handshake_fields(websocket.new_key(), extra, without)


def check_upgrade_required(response):
    """426 with both fields that tell the peer how to do it right."""
    http.error(response, 426)
    check.equal(response.get('upgrade').lower(), 'websocket', 'Upgrade')
    check.equal(response.get('sec-websocket-version'), '13', 'Sec-WebSocket-Version')


def test_the_accept_value_is_that_of_the_rfc(case):
    """RFC 6455, 1.3 gives the key and its answer."""
    connection = case.connection()
    fields = websocket.handshake_fields('dGhlIHNhbXBsZSBub25jZQ==')
    connection.send(http.request_bytes('GET', f'/t/{case.topic}', fields, port=connection.port))
    response = connection.answer()
    check.equal(response.status, 101, 'status')
    check.equal(response.get('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'accept')


def test_other_versions_get_426_and_the_version_that_works(case):
    for version in ('8', '12', '14', '130', '013'):
        fields = fields_with(('Sec-WebSocket-Version', version), without=['Sec-WebSocket-Version'])
        check_upgrade_required(ask(case, fields))


def test_no_version_gets_426(case):
    check_upgrade_required(ask(case, fields_with(without=['Sec-WebSocket-Version'])))


def test_keys_that_are_not_16_bytes_are_400(case):
    for key in ('', 'x', 'AAAA', 'dGhlIHNhbXBsZSBub25jZ', 'dGhlIHNhbXBsZSBub25jZQ=',
                'dGhlIHNhbXBsZSBub25jZQAA', '!GhlIHNhbXBsZSBub25jZQ=='):
        http.error(ask(case, websocket.handshake_fields(key)), 400)


def test_no_key_is_400(case):
    http.error(ask(case, fields_with(without=['Sec-WebSocket-Key'])), 400)


def test_two_keys_are_400(case):
    extra = ('Sec-WebSocket-Key', websocket.new_key())
    http.error(ask(case, fields_with(extra)), 400)


def test_upgrade_without_connection_upgrade_is_refused(case):
    response = ask(case, fields_with(without=['Connection']))
    check.one_of(response.status, (400, 426), 'status')


def test_field_values_are_compared_without_case_and_in_lists(case):
    fields = fields_with(('Connection', 'keep-alive, uPgRaDe'), ('Upgrade', 'WebSocket'),
                         without=['Connection', 'Upgrade'])
    connection = case.connection()
    connection.send(http.request_bytes('GET', f'/t/{case.topic}', fields, port=connection.port))
    check.equal(connection.answer().status, 101, 'status')


def test_only_get_upgrades(case):
    check.equal(ask(case, fields_with(), method='POST', body=b'x').status, 201,
                'status of a POST: the upgrade is ignored')


def test_http_1_0_is_never_upgraded(case):
    response = ask(case, fields_with(), version='HTTP/1.0')
    check.true(response.status >= 400, f'status {response.status}')


def test_upgrades_elsewhere_than_topics_are_404(case):
    http.error(ask(case, fields_with(), '/nowhere'), 404)


def test_bad_topics_are_400(case):
    for path in ('/t/', '/t/a..b', '/t/%ff', '/t/%zz', '/t/a%00'):
        http.error(ask(case, fields_with(), path), 400)


def test_no_subprotocol_offered_is_none_chosen(case):
    peer = case.peer()
    check.equal(peer.opened.get('sec-websocket-protocol'), None, 'Sec-WebSocket-Protocol')


def test_only_unknown_subprotocols_are_400(case):
    for offered in ('chat', 'chat, superchat', 'uproar'):
        http.error(ask(case, fields_with(('Sec-WebSocket-Protocol', offered))), 400)


def test_faulty_subprotocol_lists_are_400(case):
    for offered in ('a b', '"chat"', 'ch@t'):
        http.error(ask(case, fields_with(('Sec-WebSocket-Protocol', offered))), 400)


def test_unknown_extensions_are_declined(case):
    peer = case.peer(fields=[('Sec-WebSocket-Extensions', 'x-unknown; level=9')])
    peer.echo('plain')


def test_a_refused_handshake_leaves_an_http_connection(case):
    connection = case.connection()
    refused = connection.ask('GET', f'/t/{case.topic}',
                             fields_with(without=['Sec-WebSocket-Version']))
    check_upgrade_required(refused)
    if not refused.has_token('connection', 'close'):
        check.equal(connection.ask('GET', '/healthz').status, 200, 'status of the next request')


def test_a_kept_connection_can_be_upgraded(case):
    peer = case.keep(websocket.Peer(case.server.port))
    check.equal(peer.ask('GET', '/healthz').status, 200, 'status')
    peer.open(f'/t/{case.topic}').echo('after a request')


def test_frames_in_the_segment_of_the_handshake_are_read(case):
    peer = case.keep(websocket.Peer(case.server.port))
    early = websocket.frame_bytes(websocket.TEXT, b'early')
    peer.open(f'/t/{case.topic}', extra_bytes=early + websocket.frame_bytes(websocket.PING, b'p'))
    got = [peer.frame(), peer.frame()]
    check.equal(sorted((frame.opcode, frame.payload) for frame in got),
                [(websocket.TEXT, b'early'), (websocket.PONG, b'p')], 'frames')


def test_the_handshake_may_be_cut_anywhere(case):
    raw = http.request_bytes('GET', f'/t/{case.topic}', fields_with(), port=case.server.port)
    raw += websocket.frame_bytes(websocket.TEXT, b'hi')
    for cut in range(1, len(raw)):
        with websocket.Peer(case.server.port) as peer:
            peer.send_pieces([raw[:cut], raw[cut:]])
            check.equal(peer.head().status, 101, f'status when cut at {cut}')
            check.equal(peer.text(), 'hi', f'the message when cut at {cut}')
