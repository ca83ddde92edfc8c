// Proves what a file that has to wait may rely on: it is asked again, although nothing of it
// changes. Files in memory; that whole rotations lose no line is shown by rotation.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Probe } from '../../../../agent/receivers/file_log/content.ts';
import type { FoundFile } from '../../../../agent/receivers/file_log/glob.ts';
import type { Ticket } from '../../../../agent/receivers/file_log/position.ts';
import type { Tail } from '../../../../agent/receivers/file_log/tail.ts';
import { limits, Tails } from '../../../../agent/receivers/file_log/tails.ts';
import { asLines, numbered } from './following.ts';

const LINES = Buffer.from(asLines(numbered(200)));
const READ = LINES.subarray(0, 1000);

const fileOf = (inode: number, { length }: Buffer): FoundFile => ({
  path: `/app.log.${inode}`,
  stat: { sizeBytes: length, device: 1, inode, modifiedMs: inode, createdMs: inode, kind: 'file' },
});

const probeOf = (content: Buffer, nowMs = 0): Probe => ({
  head: content.subarray(0, 500), sizeBytes: content.length, nowMs,
  readAt: async (offset, bytes) => content.subarray(offset, offset + bytes),
});

interface Rotated {
  readonly tails: Tails;
  readonly original: Tail;
  readonly copy: Tail;
  /** Of what was read of the original. */
  readonly ticket: Ticket;
}

/** Follows a file and its copy, which was made right before the file was truncated. */
async function copyTruncated(): Promise<Rotated> {
  const tails = new Tails({ run: 'r', saved: [], startAtEnd: false, fingerprintBytes: 500 }, 0);
  tails.update([fileOf(1, READ)], 0);
  const original = [...tails.all.values()][0]!;
  assert.ok(await tails.identify(original, probeOf(READ)));
  const position = original.position!;
  position.learn(READ.subarray(0, 500));
  const mark = READ.subarray(-64);
  const ticket = position.advance({ offset: READ.length, records: 1, flushed: false, mark });
  tails.update([fileOf(1, Buffer.from('new\n')), fileOf(2, LINES)], 0);
  return { tails, original, copy: [...tails.all.values()][1]!, ticket };
}

test('tails: a copy is asked again, and read on, when its original had no turn yet', async () => {
  const { tails, original, copy } = await copyTruncated();
  assert.equal(await tails.identify(copy, probeOf(LINES)), false);
  assert.notEqual(copy.held, null, 'it is asked again');
  const laterMs = 10 * limits.heldMs;
  assert.equal(await tails.identify(copy, probeOf(LINES, laterMs)), false, 'however long it takes');
  const position = original.position!;
  tails.restart(original, laterMs);
  assert.equal(await tails.identify(copy, probeOf(LINES, laterMs)), true);
  assert.equal(copy.position, position);
});

test('tails: a copy that is shorter than what was read waits for the verdict on that', async () => {
  const { tails, original, copy, ticket } = await copyTruncated();
  const position = original.position!;
  const short = READ.subarray(0, 800);
  position.remember(READ, 0, [700, 800, 1000]);
  tails.restart(original, 0);
  assert.equal(await tails.identify(copy, probeOf(short)), false);
  assert.notEqual(copy.held, null, 'it is asked again');
  position.settle(ticket);
  assert.equal(await tails.identify(copy, probeOf(short)), true);
  assert.equal(copy.position!.read.offset, short.length);
});
