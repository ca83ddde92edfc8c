// The process that logrotate.test.ts rotates under: writes numbered lines to a file that it keeps
// open, as daemons do, until it is told to end; opens it anew at SIGHUP. Arguments: the file, lines
// of one write. Says at the end how many lines it wrote.

import { closeSync, openSync, writeSync } from 'node:fs';

const [path, linesEach] = process.argv.slice(2);
const PAUSE_MS = 2;
let file = openSync(path, 'a');
let written = 0;

process.on('SIGHUP', () => {
  closeSync(file);
  file = openSync(path, 'a');
});
const timer = setInterval(() => {
  let text = '';
  for (let line = 0; line < Number(linesEach); line++) {
    text += `line ${String(written++).padStart(8, '0')} of a writer that never waits |\n`;
  }
  writeSync(file, text);
}, PAUSE_MS);
process.stdout.write('started\n');
// The pipe of the parent keeps this process alive, and ends it.
process.stdin.on('end', () => {
  clearInterval(timer);
  process.stdout.write(`${written}\n`, () => process.exit(0));
}).resume();
