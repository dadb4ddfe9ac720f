// Clicks through the server's own page, as a person would, and prints what it showed as lines of
// JSON. It judges nothing; test_page.py does.
// usage: node page.mjs URL WIDTH light|dark SCREENSHOT
import { complaints, launch, tell } from './launch.mjs';

const [url, width, colorScheme, screenshot] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({
    viewport: { width: Number(width), height: 800 }, colorScheme, acceptDownloads: false,
});
const errors = complaints(page);
const text = (selector) => page.locator(selector).innerText();
const texts = (feed) => page.locator(`#${feed} li p`).allInnerTexts();
const both = (selector) => Promise.all(['#ws', '#sse'].map(
    (feed) => page.locator(`${feed} ${selector}`).first().waitFor()));
const heard = (words) => both(`li p:text-is("${words}")`);

await page.goto(url);
await both('.state.good');
await page.locator('#server.good').waitFor();
tell({ step: 'opened', topic: await page.inputValue('#topic'), title: await page.title(),
    path: new URL(page.url()).pathname });

await page.fill('#text', 'over POST: Grüße 🦁\nand a second line');
await page.click('#publish button.main');
await page.locator('#result.good').waitFor();
await both('li p:has-text("over POST")');
await page.fill('#text', 'over the WebSocket');
await page.click('#send');
await heard('over the WebSocket');
await page.fill('#text', 'by key');
await page.focus('#text');
await page.keyboard.press('Control+Enter');
await heard('by key');
await page.fill('#event', 'greeting');
await page.fill('#text', 'with a name');
await page.click('#publish button.main');
await both('li b:text-is("greeting")');
tell({ step: 'published', ws: await texts('ws'), sse: await texts('sse'),
    counts: await Promise.all(['ws', 'sse'].map((feed) => text(`#${feed} dd >> nth=0`))) });

await page.fill('#missed', '37');
await page.click('#cut button');
for (const feed of ['ws', 'sse'])
    await page.locator(`#${feed}-book:is(.good, .bad)`).waitFor({ timeout: 60000 });
await page.locator('#cost:has-text("for 2 connections")').waitFor({ timeout: 30000 });
tell({ step: 'cut', ws: await text('#ws-book'), sse: await text('#sse-book'),
    cost: await text('#cost'), counts: await Promise.all(
        ['ws', 'sse'].map((feed) => text(`#${feed} dd >> nth=0`))) });

await page.screenshot({ path: screenshot, fullPage: true });
tell({ step: 'shown', back: await page.evaluate(
    () => getComputedStyle(document.body).backgroundColor),
    overflow: await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth),
    small: await page.evaluate(() => [...document.querySelectorAll('button, input, textarea')]
        .filter((it) => it.offsetParent && it.getBoundingClientRect().height < 24)
        .map((it) => it.id || it.textContent)) });

await page.locator('#ws button').click();
await page.fill('#topic', 'another/topic with ünï');
await page.click('#connect button.main');
await both('.state.good');
await page.fill('#text', 'elsewhere');
await page.click('#publish button.main');
await heard('elsewhere');
tell({ step: 'moved', path: new URL(page.url()).pathname, title: await page.title(),
    lines: await page.locator('.line code').allInnerTexts(), ws: await texts('ws') });
tell({ step: 'ended', errors });
await browser.close();
