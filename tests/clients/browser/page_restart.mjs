// Opens the server's page, says "open", and goes on when the server has gone and come back: prints
// what the page then showed as one line of JSON. Judging is test_page.py's.
// usage: node page_restart.mjs URL
import { complaints, launch, tell } from './launch.mjs';

const [url] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage();
const errors = complaints(page);
const states = (kind) => Promise.all(['ws', 'sse'].map(
    (feed) => page.locator(`#${feed} .state.${kind}`).waitFor({ timeout: 60000 })));

await page.goto(url);
await states('good');
console.log('open');
await states('warn');
console.log('lost');
await states('good');
await page.locator('#sse li p:text-is("after the restart")').waitFor({ timeout: 30000 });
await page.locator('#ws li p:text-is("after the restart")').waitFor({ timeout: 30000 });
const shown = (feed) => page.locator(`#${feed} li`).evaluateAll((items) => items.map(
    (item) => [item.querySelector('b')?.textContent ?? '', item.querySelector('p').textContent]));
tell({ ws: await shown('ws'), sse: await shown('sse'), errors });
await browser.close();
