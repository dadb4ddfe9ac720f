// npm's eventsource as a subscriber: says "open" and "error STATE", collects COUNT events of the
// types it was told, closes, and prints them as one line of JSON. Judging is test_node.py's.
// usage: node eventsource.mjs URL COUNT TYPE...
import { EventSource } from 'eventsource';

const [url, count, ...types] = process.argv.slice(2);
const events = [];
const source = new EventSource(url);

function collect({ type, data, lastEventId }) {
    events.push({ type, data, id: lastEventId });
    if (events.length !== Number(count)) return;
    source.close();
    console.log(JSON.stringify({ events }));
}

source.addEventListener('open', () => console.log('open'));
source.addEventListener('error', () => console.log(`error ${source.readyState}`));
for (const type of types) source.addEventListener(type, collect);
