// Opens pages in Chromium and evaluates in them what it is sent; it judges nothing, Python does.
// usage: node control.mjs    (prints {"port": N}; POST /NAME {"url"} opens, {"script"} evaluates)
import { createServer } from 'node:http';
import { launch, tell } from './launch.mjs';

const browser = await launch();
const pages = new Map();

async function answer(name, { url, script }) {
    if (script !== undefined)
        return pages.get(name).evaluate(script);
    const page = await browser.newPage();
    pages.set(name, page);
    await page.goto(url);
    return null;
}

const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const reply = await answer(request.url, JSON.parse(Buffer.concat(pieces)))
        .then((value) => ({ value: value ?? null }), (error) => ({ error: error.message }));
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(reply));
});
server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }));
