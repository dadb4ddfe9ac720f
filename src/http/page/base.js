// Where we are, and small things that all the others use.
'use strict';

const byId = id => document.getElementById(id);
const encoder = new TextEncoder();

// BASE/t/TOPIC or BASE?topic=TOPIC, whatever a proxy put in front.
const path = location.pathname;
const topicAt = path.indexOf('/t/');
const base = topicAt < 0 ? path.replace(/[^/]*$/, '') : path.slice(0, topicAt + 1);

// By which the server knows our connections: made anew with each page, and told to nobody.
const tabKey = Array.from(crypto.getRandomValues(new Uint8Array(16)),
  byte => byte.toString(16).padStart(2, '0')).join('');

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return ''; }
}

function withQuery(url, query) {
  for (const [name, value] of Object.entries(query))
    if (value) url.searchParams.set(name, value);
  return url;
}

let topic = ''; // the one that we are connected to, as it stands in a path

function takeTopic(typed) {
  // Half a surrogate pair, which encodeURIComponent() throws at, becomes U+FFFD.
  const sound = new TextDecoder().decode(encoder.encode(typed));
  topic = encodeURIComponent(sound).replace(/%2F/g, '/').replace(/'/g, '%27');
}

function topicUrl(query) {
  return withQuery(new URL(base + 't/' + topic, location.origin), query || {});
}

function tabUrl() {
  return withQuery(new URL(base + 'tab/' + tabKey, location.origin), {token: byId('token').value});
}

function say(element, kind, text) {
  const name = element.className.split(' ')[0] + ' ' + kind;
  if (element.className !== name) element.className = name;
  if (element.textContent !== text) element.textContent = text;
}

function sized(bytes) {
  const units = ['B', 'kB', 'MB', 'GB'];
  let at = 0;
  while (bytes >= 1000 && at < 3) { bytes /= 1000; at++; }
  return (at && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)) + ' ' + units[at];
}

function plural(count, word) {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
}

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

const pause = ms => new Promise(done => setTimeout(done, ms));
