// event-source-polyfill over XMLHttpRequest. Ours is an old one, without `ontimeout`: from such the
// polyfill asks for padding=true, since they show nothing before the first 2 KB.
import { follow } from './event_source.mjs';
import { url } from './report.mjs';
import { XMLHttpRequest } from './xhr.mjs';

// It looks for them when it is loaded, and prefers fetch().
globalThis.XMLHttpRequest = XMLHttpRequest;
delete globalThis.fetch;
const { default: polyfill } = await import('event-source-polyfill');

follow(new polyfill.EventSourcePolyfill(url));
