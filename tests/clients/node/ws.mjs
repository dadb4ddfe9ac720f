// npm's ws. It offers permessage-deflate.
import WebSocket from 'ws';
import { follow } from './websocket.mjs';

follow(WebSocket);
