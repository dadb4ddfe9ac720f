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

// Everything the browser complains about while the page is open, but for cut connections, which it
// reports as failed loads.
export function complaints(page) {
    const found = [];
    page.on('console', (message) => {
        if (message.type() === 'error' && !message.text().includes('net::ERR_'))
            found.push(message.text());
    });
    page.on('pageerror', (error) => found.push(error.message));
    return found;
}
