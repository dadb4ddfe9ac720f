// @microsoft/fetch-event-source, asking for one topic by its path.
import { follow } from './fetch_event_source.mjs';
import { url } from './report.mjs';

await follow(url, {});
