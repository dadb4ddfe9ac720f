// npm's eventsource-client as a subscriber, with nothing set. It reconnects by itself.
import { createEventSource } from 'eventsource-client';
import { LAST, lost, say, stopped, url } from './report.mjs';

const source = createEventSource({
    url,
    onConnect: () => say({ open: true }),
    onScheduleReconnect: () => lost('end or error'),
    onDisconnect: () => setImmediate(() => {
        if (source.readyState === 'closed') stopped('204');
    }),
    onMessage: ({ event, data, id }) => {
        say({ event: { type: event ?? 'message', data, id } });
        if (data !== LAST) return;
        source.close();
        stopped('done');
    },
});
