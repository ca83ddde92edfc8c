// A program that writes numbered lines to `app.log`, which is rotated every few seconds, by
// renaming or by copying and truncating. Rotated files are kept, so that none is gone unread.
//
//   line 0000000012 c20ad4d76fe97759aa27a0c99bff6710     its number, and the MD5 of these digits

import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, mkdirSync, openSync, renameSync, truncateSync, writeSync }
  from 'node:fs';
import { join } from 'node:path';
import { createClock } from '../../runtime/clock.ts';
import type { Random } from '../proto/generate.ts';

/** The lines as SQL knows them: their number, and whether they are whole. */
export const LINE_NUMBER = 'toUInt32OrZero(substring(Body, 6, 10))';
export const LINE_WHOLE =
  'Body = concat(\'line \', substring(Body, 6, 10), \' \', '
  + 'lower(hex(MD5(substring(Body, 6, 10)))))';

export interface Lines {
  /** Lines that were written, numbered from 1 on. */
  readonly written: number;
  readonly rotations: number;
  stop(): void;
}

const INTERVAL_MS = 50;
const LINES_PER_INTERVAL_MAX = 20;
const ROTATE_MS = { least: 2000, most: 8000 };
const COPY_TRUNCATE = 0.4;

export function startLines(folder: string, random: Random): Lines {
  const clock = createClock();
  const path = join(folder, 'app.log');
  mkdirSync(folder, { recursive: true });
  let file = openSync(path, 'a');
  let written = 0;
  let rotations = 0;
  const rotationMs = () => ROTATE_MS.least + random() * (ROTATE_MS.most - ROTATE_MS.least);
  let rotateAtMs = clock.monotonicMs() + rotationMs();
  const rotate = () => {
    rotations += 1;
    rotateAtMs = clock.monotonicMs() + rotationMs();
    if (random() < COPY_TRUNCATE) {
      copyFileSync(path, `${path}.${rotations}`);
      truncateSync(path);
      return;
    }
    renameSync(path, `${path}.${rotations}`);
    closeSync(file);
    file = openSync(path, 'a');
  };
  const timer = clock.every(INTERVAL_MS, () => {
    if (clock.monotonicMs() >= rotateAtMs) rotate();
    const count = Math.floor(random() * (LINES_PER_INTERVAL_MAX + 1));
    const text = Array.from({ length: count }, (_, index) => `${line(written + index + 1)}\n`);
    writeSync(file, text.join(''));
    written += count;
  });
  return {
    get written() {
      return written;
    },
    get rotations() {
      return rotations;
    },
    stop: () => {
      timer.cancel();
      closeSync(file);
    },
  };
}

export function line(number: number): string {
  const digits = String(number).padStart(10, '0');
  return `line ${digits} ${createHash('md5').update(digits).digest('hex')}`;
}
