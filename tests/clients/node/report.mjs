// How the programs of this folder are called, and how they say what they see: a line of JSON each.
// usage: node PROGRAM.mjs URL [WORD...]
// They end by themselves behind the message LAST. They judge nothing; that is done in Python.
export const LAST = 'the end';
export const [url, ...words] = process.argv.slice(2);

export function say(what) {
    process.stdout.write(`${JSON.stringify(what)}\n`);
}

// The connection ended; it comes back by itself.
export const lost = (why) => say({ lost: String(why) });
// It does not come back.
export const stopped = (why) => say({ stopped: String(why) });
