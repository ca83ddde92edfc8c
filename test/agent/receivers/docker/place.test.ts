// Proves that a place leads back to the first message without a verdict, however messages share
// times and whatever the engine removed meanwhile; that frames and raw logs become messages from
// pieces of any size; and that long lines are whole again without passing over anything.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createFrameDecoder, createTerminalDecoder, FrameError, type Message,
} from '../../../../agent/receivers/docker/frames.ts';
import {
  createCourse, createSkip, decodePlace, encodePlace, placeAt, sinceText, type Course,
} from '../../../../agent/receivers/docker/place.ts';
import { createJoiner, type LogLine } from '../../../../agent/receivers/docker/records.ts';

const MS = 1_000_000n;
const START = BigInt(Date.UTC(2026, 0, 2)) * MS;

/** The messages that come again after `done` of all of them had their verdict. */
function comesAgain(times: readonly bigint[], course: Course): bigint[] {
  const place = decodePlace(JSON.parse(JSON.stringify(encodePlace(course.place))))!;
  const skipped = createSkip(place);
  return times.filter((time) => time >= place.sinceNs).filter((time) => !skipped(time));
}

test('docker place: whatever the times, the next message is the first without a verdict', () => {
  const patterns: Record<string, (index: number) => bigint> = {
    'a second apart': (index) => START + BigInt(index) * 1000n * MS,
    'all at once': () => START,
    'a millisecond apart': (index) => START + BigInt(index) * MS,
    'in bursts': (index) => START + BigInt(Math.floor(index / 40)) * 700n * MS,
    'a little out of order': (index) => START + BigInt(index * 30 + (index % 3) * 50) * MS,
  };
  for (const [name, timeOf] of Object.entries(patterns)) {
    const times = Array.from({ length: 200 }, (_, index) => timeOf(index));
    for (let done = 0; done <= times.length; done += 7) {
      // In two runs, as after a restart.
      const half = Math.floor(done / 2);
      const first = createCourse(placeAt(0n)).with(times.slice(0, half));
      const course = createCourse(first.place).with(times.slice(half, done));
      assert.deepEqual(comesAgain(times, course), times.slice(done), `${name}: ${done}`);
    }
  }
});

test('docker place: only two seconds are asked for again', () => {
  const times = Array.from({ length: 1000 }, (_, index) => START + BigInt(index) * 10n * MS);
  const { place, count } = createCourse(placeAt(0n)).with(times);
  assert.equal(count, 1000);
  assert.ok(place.newestNs - place.sinceNs <= 2100n * MS);
  assert.ok(place.skip <= 210);
});

test('docker place: when the engine has removed old messages nothing new is passed over', () => {
  const times = Array.from({ length: 100 }, (_, index) => START + BigInt(index) * MS);
  const course = createCourse(placeAt(0n)).with(times.slice(0, 60));
  assert.deepEqual(comesAgain(times.slice(50), course), times.slice(60));
  assert.deepEqual(comesAgain(times.slice(80), course), times.slice(80));
});

test('docker place: as text', () => {
  assert.equal(sinceText(placeAt(1_767_312_000_000_000_007n)), '1767312000.000000007');
  assert.equal(sinceText(placeAt(0n)), '0.000000000');
  for (const wrong of [null, [], ['1', -1, '1'], ['1', 1.5, '1'], ['x', 1, '1'], [1, 1, 1]]) {
    assert.equal(decodePlace(wrong), null, JSON.stringify(wrong));
  }
});

const TIME = '2026-01-02T03:04:05.678901234Z';
const TIME_NS = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5, 678)) * MS + 901_234n;

function frame(stream: number, text: string): Buffer {
  const content = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}

const shown = ({ stream, timeNs, body, ends }: Message) =>
  `${stream} ${timeNs - TIME_NS} ${body.toString()}${ends ? '' : '…'}`;

test('docker frames: messages from pieces of any size', () => {
  const bytes = Buffer.concat([frame(1, `${TIME} one\n`), frame(2, `${TIME} two ü\n`),
    frame(1, `${TIME} part`), frame(1, `${TIME} \n`), frame(1, '')]);
  const want = ['stdout 0 one', 'stderr 0 two ü', 'stdout 0 part…', 'stdout 0 ',
    `stdout ${-TIME_NS} …`];
  for (const size of [1, 2, 7, 8, 9, 40, bytes.length]) {
    const found: string[] = [];
    const decoder = createFrameDecoder((message) => found.push(shown(message)));
    for (let at = 0; at < bytes.length; at += size) decoder.add(bytes.subarray(at, at + size));
    assert.deepEqual(found, want, `pieces of ${size}`);
  }
});

test('docker frames: what is no frame is refused', () => {
  const decoder = createFrameDecoder(() => {});
  assert.throws(() => decoder.add(Buffer.from(`${TIME} plain text\n`)), FrameError);
});

test('docker frames: a terminal, with long lines whose times stand in their middle', () => {
  const found: string[] = [];
  const decoder = createTerminalDecoder((message) => found.push(shown(message)));
  const long = 'x'.repeat(16 * 1024);
  decoder.add(Buffer.from(`${TIME} one\r\n${TIME} ${long}${TIME} end\r\n`));
  assert.deepEqual(found, ['stdout 0 one', `stdout 0 ${long}end`]);
});

test('docker records: a line in parts is done with its last one, whatever comes between', () => {
  const lines: LogLine[] = [];
  const joiner = createJoiner(100, (line) => lines.push(line));
  const add = (stream: 'stdout' | 'stderr', time: number, text: string, ends = true) =>
    joiner.add({ stream, timeNs: BigInt(time), body: Buffer.from(text), ends });
  add('stdout', 1, 'a');
  add('stdout', 2, 'b', false);
  add('stderr', 3, 'between');
  add('stdout', 4, 'c');
  add('stdout', 5, 'rest', false);
  joiner.end();
  assert.deepEqual(lines.map(({ stream, timeNs, body, timesNs }) =>
    [stream, Number(timeNs), body, timesNs.map(Number)]), [
    ['stdout', 1, 'a', [1]],
    ['stderr', 3, 'between', []],
    ['stdout', 2, 'bc', [2, 3, 4]],
    ['stdout', 5, 'rest', [5]],
  ]);
});

test('docker records: a line that is too long is split', () => {
  const lines: LogLine[] = [];
  const joiner = createJoiner(4, (line) => lines.push(line));
  for (const text of ['abc', 'def', 'g']) {
    joiner.add({ stream: 'stdout', timeNs: 1n, body: Buffer.from(text), ends: text === 'g' });
  }
  assert.deepEqual(lines.map(({ timesNs }) => timesNs), [[], [1n, 1n], [1n]]);
  assert.deepEqual(lines.map(({ body }) => body), ['abcd', 'ef', 'g']);
});
