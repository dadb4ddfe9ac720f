// npm's ws as a peer of bench: one topic, WebSocket subscribers, POSTs that publish; -e echoes.
// Written as its own documentation broadcasts. No topics, history, limits or pings: as the floor.
'use strict';

const http = require('node:http');
const { WebSocket, WebSocketServer } = require('ws');

const echoes = process.argv.includes('-e');
const server = http.createServer(publish);
const subscribers = new WebSocketServer({ server, perMessageDeflate: false });

function publish(request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const message = Buffer.concat(parts);
    for (const peer of subscribers.clients)
      if (peer.readyState === WebSocket.OPEN)
        peer.send(message, { binary: true });
    response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': 2 });
    response.end('{}');
  });
}

subscribers.on('connection', (peer) => {
  peer.on('error', () => {}); // a reset: its close follows
  if (echoes)
    peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }));
});

// A publisher may rest for as long as a run takes.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.maxRequestsPerSocket = 0;
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(`ws ready http://127.0.0.1:${server.address().port}`);
});
