// @microsoft/fetch-event-source with the handlers that its documentation advises: what the server
// ended is opened again, and what is no event stream is not.
import fetchEventSource from '@microsoft/fetch-event-source';
import { LAST, lost, say, stopped } from './report.mjs';

class Final extends Error {}

// What it expects of a page, one that is in view.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

export async function follow(url, options) {
    const leaving = new AbortController();
    const handlers = {
        async onopen({ status, headers }) {
            const type = headers.get('content-type') ?? '';
            if (status >= 500) throw new Error(status);
            if (status !== 200 || !type.startsWith('text/event-stream')) throw new Final(status);
            say({ open: true });
        },
        onmessage({ event, data, id }) {
            say({ event: { type: event || 'message', data, id } });
            if (data === LAST) leaving.abort();
        },
        onclose() {
            throw new Error('the stream ended');
        },
        onerror(problem) {
            if (problem instanceof Final) throw problem;
            lost(problem);
        },
    };
    try {
        await fetchEventSource.fetchEventSource(url,
            { ...options, ...handlers, signal: leaving.signal });
        stopped('done');
    } catch (problem) {
        stopped(problem);
    }
}
