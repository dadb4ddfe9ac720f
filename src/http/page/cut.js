// The server drops both connections. What was published before they were back is asked of it by a
// third way, the long-poll, and then looked for in what the two are given.
'use strict';

const DOWN_MS = 5000; // for both to notice that they were cut
const BOOK_MS = 30000; // for all that was missed to come

// What one feed owes since the cut.
class Book {
  constructor(feed, line) {
    this.feed = feed;
    this.line = line;
    this.early = new Set(); // ids that came after the cursor was asked and before the cut
    this.came = new Map();  // id: how often, after the cut
    this.since = performance.now();
    this.missed = null;     // ids
    this.isCut = false;
    this.hasGap = false;
    feed.book = this;
    this.say('warn', 'cutting');
  }

  say(kind, text) {
    say(this.line, kind, text);
  }

  take({id, event}) {
    if (event === 'gap') this.hasGap = true;
    else if (this.isCut) this.came.set(id, (this.came.get(id) || 0) + 1);
    else this.early.add(id);
    if (this.missed) this.show();
  }

  back() {
    this.backAfter = performance.now() - this.since;
    if (this.missed) this.show();
  }

  // ids: of all that was published since the cursor that was asked before the cut.
  expect(ids) {
    this.missed = ids.filter(id => !this.early.has(id));
    this.show();
    setTimeout(() => this.close(), BOOK_MS);
  }

  show() {
    if (this.closed) return;
    const got = this.missed.filter(id => this.came.has(id)).length;
    const twice = [...this.came.values()].filter(times => times > 1).length;
    const books = `missed ${this.missed.length}, got ${got}`;
    if (!this.feed.isUp || this.backAfter === undefined) return this.say('warn', books);
    if (got < this.missed.length && !this.hasGap) return this.say('warn', books + ' so far');
    const lost = this.missed.length - got;
    this.closed = true;
    this.say(lost || twice ? 'bad' : 'good', `${books}, ${lost} lost` +
      (twice ? `, ${twice} twice` : '') + `; back after ${(this.backAfter / 1000).toFixed(1)} s`);
  }

  close() {
    if (this.closed || this.feed.book !== this) return;
    this.hasGap = true; // no longer waited for: what did not come is lost
    this.show();
  }
}

async function answered(response) {
  if (!response.ok) throw new Error(`${response.status}: ${response.statusText}`);
  return response;
}

async function cursorNow() {
  const url = topicUrl({token: byId('token').value});
  const response = await fetch(url, {method: 'HEAD', cache: 'no-store'}).then(answered);
  return response.headers.get('Uproar-Cursor');
}

async function idsAfter(cursor) {
  const ids = [];
  for (;;) {
    const url = topicUrl({after: cursor, wait: '0', token: byId('token').value});
    const response = await fetch(url, {cache: 'no-store'}).then(answered);
    const messages = response.status === 200 ? await response.json() : [];
    if (messages.length === 0) return ids;
    ids.push(...messages.map(message => message.id));
    cursor = messages[messages.length - 1].id;
  }
}

async function whenDown() {
  const end = performance.now() + DOWN_MS;
  while (ws.isUp || sse.isUp) {
    if (performance.now() > end) throw new Error('they were not cut');
    await pause(5);
  }
}

async function cutBoth(count) {
  if (!ws.isUp || !sse.isUp) throw new Error('wait until both are connected');
  const cursor = await cursorNow();
  const books = [new Book(ws, byId('ws-book')), new Book(sse, byId('sse-book'))];
  await fetch(tabUrl(), {method: 'DELETE'}).then(answered);
  await whenDown();
  closeSocket(); // it is let go on when all is published; EventSource waits for longer anyway
  for (let i = 1; i <= count && ws.book === books[0]; i++)
    await publish(`while you were away: ${i} of ${count}`);
  const ids = await idsAfter(cursor);
  if (ws.book !== books[0]) return; // connected to another topic meanwhile
  for (const book of books) book.expect(ids);
  openSocket();
}

byId('cut').addEventListener('submit', submit => {
  submit.preventDefault();
  const button = byId('cut').querySelector('button');
  button.disabled = true;
  cutBoth(Number(byId('missed').value)).catch(error => {
    for (const feed of [ws, sse]) feed.book = null;
    for (const id of ['ws-book', 'sse-book']) say(byId(id), 'bad', reasonOf(error));
    if (!socket) openSocket();
  }).finally(() => { button.disabled = false; });
});
