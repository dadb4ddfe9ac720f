// npm's eventsource as a subscriber, with nothing set. What it sees is said by event_source.mjs.
import { EventSource } from 'eventsource';
import { follow } from './event_source.mjs';
import { url } from './report.mjs';

follow(new EventSource(url));
