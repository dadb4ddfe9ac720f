// npm's ws as a subscriber: says "open", collects COUNT messages, publishes what it is told to,
// closes, and prints what it saw as one line of JSON. It judges nothing; test_node.py does.
// usage: node websocket.mjs URL COUNT [TEXT...]
import WebSocket from 'ws';

const [url, count, ...texts] = process.argv.slice(2);
const messages = [];
const peer = new WebSocket(url, { perMessageDeflate: false });

function finishWhenComplete() {
    if (messages.length === Number(count)) peer.close(1000, 'that is all');
}

peer.on('open', () => {
    console.log('open');
    for (const text of texts) peer.send(text);
    finishWhenComplete();
});
peer.on('message', (data, isBinary) => {
    messages.push({ isBinary, base64: data.toString('base64') });
    finishWhenComplete();
});
peer.on('close', (code) => {
    console.log(JSON.stringify({ code, messages }));
});
peer.on('error', (problem) => {
    console.log(`error ${problem.message}`);
});
