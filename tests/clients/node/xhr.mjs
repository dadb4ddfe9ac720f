// As much of XMLHttpRequest as streaming needs, over node's http. Like the old ones, it keeps back
// the first 2 KB of what comes until they are complete.
import http from 'node:http';

const KEPT_BACK = 2048;
const [HEADERS_RECEIVED, LOADING, DONE] = [2, 3, 4];

export class XMLHttpRequest {
    static HEADERS_RECEIVED = HEADERS_RECEIVED;

    readyState = 0;
    status = 0;
    statusText = '';
    responseText = '';
    onload = null;
    onerror = null;
    onabort = null;
    onprogress = null;
    onreadystatechange = null;

    open(method, url) {
        [this.method, this.url] = [method, url];
        [this.headers, this.status, this.responseText, this.received] = [{}, 0, '', ''];
        this.#enter(1);
    }

    setRequestHeader(name, value) {
        this.headers[name] = value;
    }

    getResponseHeader(name) {
        return this.response.headers[name.toLowerCase()] ?? null;
    }

    getAllResponseHeaders() {
        const headers = Object.entries(this.response.headers);
        return headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    }

    send() {
        const { method, headers } = this;
        this.request = http.request(this.url, { method, headers, agent: false });
        this.request.on('response', (response) => this.#receive(response));
        this.request.on('error', () => this.#finish('onerror'));
        this.request.end();
    }

    abort() {
        this.request.destroy();
        this.#finish('onabort');
    }

    #receive(response) {
        this.response = response;
        [this.status, this.statusText] = [response.statusCode, response.statusMessage];
        this.#enter(HEADERS_RECEIVED);
        response.setEncoding('utf8');
        response.on('data', (text) => this.#take(text));
        response.on('end', () => this.#finish('onload'));
        response.on('error', () => this.#finish('onerror'));
    }

    #take(text) {
        this.received += text;
        if (this.received.length < KEPT_BACK || this.readyState === DONE) return;
        this.responseText = this.received;
        this.#enter(LOADING);
        this.onprogress?.({});
    }

    #finish(how) {
        if (this.readyState === DONE) return;
        this.responseText = this.received ?? '';
        this.#enter(DONE);
        this[how]?.({ preventDefault() {} });
    }

    #enter(state) {
        this.readyState = state;
        this.onreadystatechange?.({});
    }
}
