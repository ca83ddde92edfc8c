// Proves that lines go once from the file into the queue, whatever becomes of the process or the
// machine in between: file_log → batch → disk queue on a disk in memory that dies at operations all
// over a fixed scenario, or the power goes. A failing disk loses nothing either.

import { test } from 'node:test';
import { apart } from '../../../contract/apart.ts';
import type { Deaths } from './crashes.ts';

const CRASHES = new URL('./crashes.ts', import.meta.url).href;

for (const [end, which, step, isEncrypted, refusing] of [
  ['kill', 'each third operation', 3, false, 0],
  ['crash', 'each third operation', 3, false, 0],
  ['kill', 'each sixth operation of an encrypted queue', 6, true, 0],
  ['kill', 'each fourth operation of a queue that refuses at times', 4, false, 0.5],
] as const) {
  test(`file_log: a ${end} at ${which} brings each line once`, async () => {
    const deaths: Deaths = { end, step, isEncrypted, refusing };
    await apart(CRASHES, 'dieAtEach', deaths);
  });
}

test('file_log: a kill while operators hold lines back brings each line once', async () => {
  const deaths: Deaths = {
    end: 'kill', step: 4, isEncrypted: false, refusing: 0, isJoining: true,
  };
  await apart(CRASHES, 'dieAtEach', deaths);
});

for (const code of ['EIO', 'ENOSPC']) {
  test(`file_log: ${code} at each sixth operation before a kill loses no line`, async () => {
    await apart(CRASHES, 'failAtEach', code);
  });
}
