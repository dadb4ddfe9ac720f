// Whatever has the interface of a browser's WebSocket, as a subscriber that first sends the words
// it was told. In the JSON form it keeps its place in the log, and comes back to it when it is cut.
import { LAST, lost, say, stopped, url, words } from './report.mjs';

const PAUSE_MS = 200;
const isJson = new URL(url).searchParams.get('format') === 'json';
let cursor;

function address() {
    const here = new URL(url);
    if (cursor) here.searchParams.set('after', cursor);
    return here.href;
}

// Returns whether it was the last one.
function take(data) {
    if (typeof data !== 'string') {
        say({ message: { base64: Buffer.from(data).toString('base64') } });
        return false;
    }
    say({ message: { text: data } });
    if (!isJson) return data === LAST;
    const item = JSON.parse(data);
    cursor = item.id ?? item.gap?.resumed ?? item.open?.cursor;
    return item.data === LAST;
}

export function follow(WebSocket, texts = words) {
    const socket = new WebSocket(address());
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
        say({ open: true });
        for (const text of texts) socket.send(text);
    };
    socket.onmessage = ({ data }) => {
        if (take(data)) socket.close(1000, 'that is all');
    };
    socket.onerror = () => {};
    socket.onclose = ({ code }) => {
        if (code === 1000 || !isJson) return stopped(code);
        lost(code);
        setTimeout(follow, PAUSE_MS, WebSocket, []);
    };
}
