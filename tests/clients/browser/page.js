// What the tests' own page can be told to do; `seen` keeps what became of it. Judging is Python's.
const seen = {};

function watch(name) {
    seen[name] = { events: [], states: [] };
    return seen[name];
}

function source(name, url, types = [], init = {}) {
    const { events, states } = watch(name);
    const peer = new EventSource(url, init);
    for (const type of ['message', 'binary', 'gap', ...types])
        peer.addEventListener(type, (it) => events.push([it.type, it.data, it.lastEventId]));
    peer.onopen = () => states.push('open');
    peer.onerror = () => states.push(peer.readyState === EventSource.CLOSED ? 'closed' : 'again');
}

function base64(buffer) {
    return btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(''));
}

function socket(name, url, protocols = []) {
    const it = watch(name);
    it.peer = new WebSocket(url, protocols);
    it.peer.binaryType = 'arraybuffer';
    it.peer.onopen = () => it.states.push('open');
    it.peer.onerror = () => it.states.push('error');
    it.peer.onclose = ({ code }) => it.states.push(code);
    it.peer.onmessage = ({ data }) => it.events.push(
        typeof data === 'string' ? ['text', data] : ['binary', base64(data)]);
    return it;
}

// Comes back behind the last envelope, or behind what the opening said.
function resuming(name, url) {
    const { events, states } = watch(name);
    let after = 'now';
    function open() {
        const peer = new WebSocket(`${url}?after=${after}`, 'uproar.json');
        peer.onopen = () => states.push('open');
        peer.onclose = () => { states.push('again'); setTimeout(open, 100); };
        peer.onmessage = ({ data }) => {
            const message = JSON.parse(data);
            after = message.open?.cursor ?? message.id;
            if (message.id) events.push(['text', message.data, message.id]);
        };
    }
    open();
}

// What a fetch came to: its status, text, and those headers that may be read.
async function ask(url, init = {}) {
    try {
        const answer = await fetch(url, init);
        return { status: answer.status, type: answer.type, text: await answer.text(),
            headers: Object.fromEntries(answer.headers) };
    } catch (problem) {
        return { error: problem.name };
    }
}

// Reads an event stream by fetch into `events`, as the bytes come.
async function stream(name, url, init) {
    const { events, states } = watch(name);
    const answer = await fetch(url, init);
    states.push(answer.status);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read())
        events.push(next.value);
}

// A page without an origin says what it could do.
function sandboxed(url) {
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-scripts';
    frame.srcdoc = `<script>
        const told = {};
        function tell(key, value) {
            told[key] = value;
            if (Object.keys(told).length === 3) parent.postMessage(told, '*');
        }
        const source = new EventSource('${url}');
        source.onopen = () => tell('source', 'open');
        source.onerror = () => tell('source', source.readyState);
        const peer = new WebSocket('${url.replace('http', 'ws')}');
        peer.onopen = () => tell('socket', 'open');
        peer.onclose = ({ code }) => tell('socket', code);
        fetch('${url}', { method: 'POST', body: 'no' })
            .then(() => tell('fetch', 'read'), (it) => tell('fetch', it.name));
        </script>`;
    return new Promise((resolve) => {
        onmessage = ({ data }) => resolve(data);
        document.body.append(frame);
    });
}
