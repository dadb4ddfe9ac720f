// The EventSource of undici, node's own HTTP client.
import { EventSource } from 'undici';
import { follow } from './event_source.mjs';
import { url } from './report.mjs';

follow(new EventSource(url));
