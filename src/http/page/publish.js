// By POST, which says when the place of a message is fixed, and by the WebSocket, which does not.
'use strict';

const result = byId('result');

function joinNames(event) {
  if (!event || !source || listened.has(event)) return;
  byId('names').value = [...names(), event].join(', ');
  listen(event);
}

// Returns the message's id.
async function publish(text, event) {
  // Default mode ("cors"): with another one the Origin of a page without referrer is "null".
  const response = await fetch(topicUrl({event, token: byId('token').value}), {
    method: 'POST',
    headers: {'Content-Type': 'text/plain;charset=UTF-8'},
    body: text,
  });
  const answer = await response.json().catch(() => ({}));
  if (response.status !== 201)
    throw new Error(`${response.status}: ${answer.message || response.statusText}`);
  return answer.id;
}

function reasonOf(error) {
  return error instanceof TypeError ? 'the server is out of reach' : error.message;
}

byId('publish').addEventListener('submit', submit => {
  submit.preventDefault();
  const event = byId('event').value;
  joinNames(event);
  publish(byId('text').value, event).then(id => say(result, 'good', `published as ${id}`),
    error => say(result, 'bad', reasonOf(error)));
});

byId('send').addEventListener('click', () => {
  if (!socket || socket.readyState !== WebSocket.OPEN)
    return say(result, 'bad', 'the WebSocket is not connected');
  const text = byId('text').value;
  socket.send(text);
  say(result, 'good', `sent ${sized(encoder.encode(text).length)} by WebSocket`);
});

byId('text').addEventListener('keydown', key => {
  if (key.key !== 'Enter' || !(key.ctrlKey || key.metaKey)) return;
  key.preventDefault();
  byId('publish').requestSubmit();
});
