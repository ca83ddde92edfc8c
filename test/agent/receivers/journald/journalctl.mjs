#!/usr/bin/env node
// Stands in for journalctl where a test must hold it in its hand. `--file` names a text file whose
// lines are JSON objects; the entry of line N has the cursor `cN`. It understands what the receiver
// says to the real one: --lines=1, --follow, --after-cursor. While there is a file with `.die`
// behind its name it removes that and fails.

import { existsSync, readFileSync, rmSync, writeSync } from 'node:fs';

const option = (name) => process.argv.find((one) => one.startsWith(`--${name}=`))
  ?.slice(name.length + 3);
const path = option('file');

const entries = () => (existsSync(path) ? readFileSync(path, 'utf8') : '').split('\n').slice(0, -1)
  .map((line, index) => JSON.stringify({
    __CURSOR: `c${index + 1}`, __REALTIME_TIMESTAMP: `${1700000000000000 + index}`,
    ...JSON.parse(line),
  }));

const print = (text) => {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if (error.code !== 'EAGAIN') process.exit(1);
    }
  }
};

const fail = (why) => {
  writeSync(2, `${why}\n`);
  process.exit(1);
};

if (option('lines') === '1') {
  const last = entries().at(-1);
  if (last !== undefined) print(`${last}\n`);
  process.exit(0);
}

const after = option('after-cursor') ?? 'c0';
if (!/^c\d+$/.test(after)) fail('Failed to seek to cursor: Invalid argument');
let shown = Number(after.slice(1));
const look = () => {
  const all = entries();
  for (; shown < all.length; shown++) print(`${all[shown]}\n`);
  if (existsSync(`${path}.die`)) {
    rmSync(`${path}.die`);
    fail('The journal is gone');
  }
};
look();
setInterval(look, 5);
process.on('SIGTERM', () => process.exit(0));
