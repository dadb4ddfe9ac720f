// One panel of messages. They wait for the next frame of the screen, and only the newest of them: a
// topic with ten thousand a second must not freeze the page.
'use strict';

const KEPT = 200;   // messages in a list
const SHOWN = 4000; // characters of one message
const HISTORY = 60; // seconds in the little chart

class Feed {
  constructor(id) {
    const root = byId(id);
    this.state = root.querySelector('.state');
    this.list = root.querySelector('ol');
    this.chart = root.querySelector('path');
    [this.countCell, this.bytesCell, this.rateCell] = root.querySelectorAll('dd');
    root.querySelector('button').addEventListener('click', () => this.clear());
    this.rates = new Array(HISTORY).fill(0);
    this.isUp = false;
    this.book = null; // of a cut: see cut.js
    this.clear();
  }

  clear() {
    this.count = this.bytes = this.countBefore = 0;
    this.waiting = [];
    this.list.replaceChildren();
    this.showCounts();
  }

  add(message) {
    this.count++;
    this.bytes += message.bytes;
    if (this.book) this.book.take(message);
    this.waiting.push({time: new Date(), ...message});
    if (this.waiting.length > KEPT) this.waiting.shift();
    if (!this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    this.list.prepend(...this.waiting.reverse().map(message => this.item(message)));
    this.waiting = [];
    while (this.list.childElementCount > KEPT) this.list.lastElementChild.remove();
    this.showCounts();
  }

  item({time, event, id, text}) {
    const item = made('li', event === 'gap' ? 'gap' : '', '');
    const meta = made('div', 'meta', '');
    meta.append(made('span', '', time.toLocaleTimeString([], {hour12: false})));
    if (event) meta.append(made('b', '', event));
    if (id) meta.append(made('span', '', id));
    const long = text.length > SHOWN;
    item.append(meta, made('p', '', long ? text.slice(0, SHOWN) + ' …' : text));
    return item;
  }

  showCounts() {
    this.countCell.textContent = this.count.toLocaleString('en');
    this.bytesCell.textContent = sized(this.bytes);
  }

  second() {
    const rate = this.count - this.countBefore;
    this.countBefore = this.count;
    this.rates.push(rate);
    this.rates.shift();
    this.rateCell.textContent = rate.toLocaleString('en');
    const top = Math.max(...this.rates, 4);
    const points = this.rates.map((value, x) => `${x} ${(19 - 18 * value / top).toFixed(1)}`);
    this.chart.setAttribute('d', `M-1 21L${points.join('L')}L60 21Z`);
    // A screen reader cannot keep up with a busy topic.
    this.list.setAttribute('aria-live', rate > 1 ? 'off' : 'polite');
  }
}

const ws = new Feed('ws'), sse = new Feed('sse');
