// Debian's Chromium, headless, for the programs of this folder. It ends with its program.
import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

export async function launch() {
    return chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
}

// A line for Python to judge.
export function tell(report) {
    console.log(JSON.stringify(report));
}

// Everything the browser complains about while the page is open, but for what a server that goes
// away causes: failed loads, and 503 while it drains.
export function complaints(page) {
    const found = [];
    page.on('console', (message) => {
        if (message.type() === 'error' && !/net::ERR_|status of 503/.test(message.text()))
            found.push(message.text());
    });
    page.on('pageerror', (error) => found.push(error.message));
    return found;
}
