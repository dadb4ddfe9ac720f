// The whole: connects on opening, and says how the server is.
'use strict';

function showLines() {
  const token = byId('token').value ? ' -H "Authorization: Bearer $TOKEN"' : '';
  const url = topicUrl();
  byId('subscribe-line').textContent = `curl -N -H 'Accept: text/event-stream'${token} '${url}'`;
  byId('publish-line').textContent = `curl${token} -d 'hello' '${url}'`;
}

for (const line of document.querySelectorAll('.line')) {
  const button = line.querySelector('button'), code = line.querySelector('code');
  button.addEventListener('click', async () => {
    getSelection().selectAllChildren(code); // what is left where there is no clipboard (http:)
    try { await navigator.clipboard.writeText(code.textContent); } catch { return; }
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
}

function keepToken() {
  try { sessionStorage.setItem('uproar.token', byId('token').value); } catch { /* not ours */ }
}

function connect() {
  takeTopic(byId('topic').value);
  failures = 0;
  place = undefined; // another topic
  ws.book = sse.book = null;
  keepToken();
  history.replaceState(null, '', topicUrl());
  document.title = byId('topic').value + ' · uproar';
  showLines();
  openSource();
  openSocket();
}

async function askServer() {
  const server = byId('server');
  try {
    const {ok, status} = await fetch(base + 'readyz', {cache: 'no-store'});
    say(server, ok ? 'good' : 'warn', ok ? 'server ready' :
      status === 503 ? 'server full or draining' : `server says ${status}`);
  } catch {
    say(server, 'bad', 'server out of reach');
  }
}

async function askCost() {
  try {
    const {connections, bytes} = await fetch(tabUrl()).then(answered).then(it => it.json());
    const what = connections === 1 ? 'one connection' : plural(connections, 'connection');
    byId('cost').textContent = `What this tab costs the server now: ${plural(bytes, 'byte')} of ` +
      `memory for ${what}, beside the kernel's sockets.`;
  } catch {
    byId('cost').textContent = 'What this tab costs the server cannot be asked now.';
  }
}

function ask() {
  if (document.hidden) return;
  askServer();
  askCost();
}

const query = new URLSearchParams(location.search);
byId('topic').value = (topicAt < 0 ? '' : decoded(path.slice(topicAt + 3))) || query.get('topic') ||
  'demo';
byId('token').value = query.get('token') || '';
try {
  byId('token').value = byId('token').value || sessionStorage.getItem('uproar.token') || '';
} catch { /* storage is off */ }
byId('more').open = Boolean(byId('token').value);

byId('connect').addEventListener('submit', submit => { submit.preventDefault(); connect(); });
byId('token').addEventListener('input', showLines);
byId('names').addEventListener('change', () => names().forEach(listen));
setInterval(() => { ws.second(); sse.second(); }, 1000);
setInterval(ask, 5000);
connect();
setTimeout(ask, 500); // when the two are there
