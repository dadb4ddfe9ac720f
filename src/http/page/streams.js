// The two connections. Each tells its feed when it is open (`up`), and when it was lost (`down`).
'use strict';

const BACKOFF_MS = 500, BACKOFF_MAX_MS = 30000;
const FINISHED = 1000, DENIED = 1008; // WebSocket close codes

function up(feed) {
  feed.isUp = true;
  say(feed.state, 'good', 'connected');
  if (feed.book) feed.book.back();
}

function down(feed, kind, text) {
  feed.isUp = false;
  if (feed.book) feed.book.isCut = true;
  say(feed.state, kind, text);
}

// --- WebSocket: it does not reconnect by itself, so we do, ever more patiently, never in step. In
// JSON each message tells its place in the log, and we come back with the last one.
let socket, place, failures = 0, retryTimer;

function hex(base64) {
  const start = atob(base64.slice(0, 88)).slice(0, 64); // 88: 66 bytes
  const digits = Array.from(start, byte => byte.charCodeAt(0).toString(16).padStart(2, '0'));
  return digits.join(' ') + (base64.length > 88 ? ' …' : '');
}

function onFrame({data}) {
  const {open, gap, id, event, data: text, base64} = JSON.parse(data);
  const bytes = encoder.encode(data).length;
  failures = 0;
  if (open) {
    place = open.cursor;
    up(ws);
  } else if (gap) {
    place = gap.resumed;
    ws.add({event: 'gap', id: place, text: JSON.stringify(gap), bytes});
  } else {
    place = id;
    if (event) listen(event);
    ws.add({event: event || (base64 === undefined ? '' : 'binary'), id, bytes,
      text: base64 === undefined ? text : hex(base64)});
  }
}

function onSocketClose({code, reason}) {
  const why = `closed ${code}${reason ? ': ' + reason : ''}`;
  if (code === FINISHED || code === DENIED) return down(ws, 'bad', why);
  const wait = Math.min(BACKOFF_MS * 2 ** failures++, BACKOFF_MAX_MS) * (.5 + Math.random() / 2);
  down(ws, 'warn', `${why}, again in ${(wait / 1000).toFixed(1)} s`);
  retryTimer = setTimeout(openSocket, wait);
}

function closeSocket() {
  clearTimeout(retryTimer);
  if (socket) socket.onmessage = socket.onclose = null, socket.close();
  socket = undefined;
}

function openSocket() {
  closeSocket();
  down(ws, 'warn', 'connecting');
  const url = topicUrl({after: place, token: byId('token').value, tab: tabKey});
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  socket = new WebSocket(url, 'uproar.json');
  socket.onmessage = onFrame;
  socket.onclose = onSocketClose;
}

// --- Server-Sent Events: EventSource reconnects and resumes with Last-Event-ID by itself.
let source, listened = new Set();

function onEvent({type, data, lastEventId}) {
  const bytes = encoder.encode(data).length;
  sse.add({event: type === 'message' ? '' : type, id: lastEventId, text: data, bytes});
}

function listen(name) {
  if (!name || name === 'open' || name === 'error' || listened.has(name)) return;
  listened.add(name);
  source.addEventListener(name, onEvent);
}

function names() {
  return byId('names').value.split(',').map(name => name.trim()).filter(Boolean);
}

function onSourceError() {
  if (source.readyState === EventSource.CLOSED)
    down(sse, 'bad', 'refused or finished by the server');
  else
    down(sse, 'warn', 'lost, connecting again');
}

function openSource() {
  if (source) source.close();
  down(sse, 'warn', 'connecting');
  source = new EventSource(topicUrl({token: byId('token').value, tab: tabKey}));
  source.onopen = () => up(sse);
  source.onerror = onSourceError;
  listened = new Set();
  ['message', 'binary', 'gap', ...names()].forEach(listen);
}
