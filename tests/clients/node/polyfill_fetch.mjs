// event-source-polyfill over fetch(), which it takes where there is one.
import polyfill from 'event-source-polyfill';
import { follow } from './event_source.mjs';
import { url } from './report.mjs';

follow(new polyfill.EventSourcePolyfill(url));
