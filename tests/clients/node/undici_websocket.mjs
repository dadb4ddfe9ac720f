// The WebSocket of undici, node's own HTTP client. It offers permessage-deflate.
import { WebSocket } from 'undici';
import { follow } from './websocket.mjs';

follow(WebSocket);
