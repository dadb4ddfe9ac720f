// Whatever has the interface of a browser's EventSource, as a subscriber to events of the types
// that are told. It reconnects by itself, and decides itself when to stop.
import { LAST, lost, say, stopped, words } from './report.mjs';

const CLOSED = 2;

export function follow(source) {
    // Some wait for their next attempt without keeping the program alive.
    const alive = setInterval(() => {}, 1000);

    function stop(why) {
        source.close();
        clearInterval(alive);
        stopped(why);
    }
    function collect({ type, data, lastEventId }) {
        say({ event: { type, data, id: lastEventId } });
        if (data === LAST) stop('done');
    }
    source.addEventListener('open', () => say({ open: true }));
    source.addEventListener('error', () => (source.readyState === CLOSED ? stop : lost)('error'));
    for (const type of words) source.addEventListener(type, collect);
}
