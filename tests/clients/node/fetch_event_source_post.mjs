// @microsoft/fetch-event-source, asking by POST: topic and place are in the body, which stays the
// same when it comes back.
import { follow } from './fetch_event_source.mjs';
import { url } from './report.mjs';

const address = new URL(url);
const wanted = { topics: [decodeURIComponent(address.pathname.slice('/t/'.length))] };
if (address.searchParams.has('after')) wanted.after = address.searchParams.get('after');
address.searchParams.delete('after');
address.pathname = '/t';
await follow(address.href, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(wanted),
});
