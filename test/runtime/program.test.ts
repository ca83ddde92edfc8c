// Proves that lines come out of pieces of any size, and how programs of the system are run: what
// they print, what they complain of, that they wait when nobody reads, and how they are ended.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLines } from '../../runtime/lines.ts';
import { startProgram } from '../../runtime/program.ts';

const NEVER = new AbortController().signal;

function linesOf(pieces: string[], bytesMax = 1000): string[] {
  const found: string[] = [];
  const lines = createLines({
    bytesMax, line: (line, cut) => found.push(`${line.toString()}${cut ? '|cut' : ''}`),
  });
  for (const piece of pieces) lines.add(Buffer.from(piece));
  lines.end();
  return found;
}

test('lines: the pieces do not matter', () => {
  const text = 'one\n\ntwo\nthree';
  const want = ['one', '', 'two', 'three'];
  assert.deepEqual(linesOf([text]), want);
  assert.deepEqual(linesOf([...text]), want);
  assert.deepEqual(linesOf(['one\n', '\n', 'tw', 'o\nthree']), want);
  assert.deepEqual(linesOf(['']), []);
});

test('lines: a line that is too long is cut, and the next one is whole', () => {
  assert.deepEqual(linesOf(['abcdefgh\nij\n'], 4), ['abcd|cut', 'ij']);
  assert.deepEqual(linesOf(['ab', 'cd', 'ef\nabcd\n'], 4), ['abcd|cut', 'abcd']);
});

const run = async (script: string) => {
  const output: Buffer[] = [];
  const complaints: string[] = [];
  const program = await startProgram({
    command: process.execPath, args: ['-e', script],
    output: (chunk) => output.push(chunk), complaint: (line) => complaints.push(line),
  });
  return { program, complaints, text: () => Buffer.concat(output).toString() };
};

test('program: what it prints, what it complains of, how it ends', async () => {
  const { program, complaints, text } =
    await run('console.log("a"); console.error("b"); process.stderr.write("c"); process.exit(3)');
  assert.deepEqual(await program.ended, { how: 'exit code 3', ok: false });
  assert.equal(text(), 'a\n');
  assert.deepEqual(complaints, ['b', 'c']);
  await program.stop(NEVER);
});

test('program: one that is asked to end ends; one that does not is ended', async () => {
  const polite = await run('setInterval(() => {}, 1000)');
  await polite.program.stop(NEVER);
  assert.deepEqual(await polite.program.ended, { how: 'SIGTERM', ok: false });
  const deaf = await run('process.on("SIGTERM", () => {}); console.log("up");'
    + 'setInterval(() => {}, 1000)');
  while (deaf.text() === '') await new Promise(setImmediate);
  const deadline = new AbortController();
  const stopped = deaf.program.stop(deadline.signal);
  deadline.abort();
  await stopped;
  assert.equal((await deaf.program.ended).how, 'SIGKILL');
});

test('program: one that cannot be started says why', async () => {
  const nothing = { args: [], output: () => {}, complaint: () => {} };
  await assert.rejects(startProgram({ command: '/nowhere/program', ...nothing }),
    { code: 'ENOENT' });
});
