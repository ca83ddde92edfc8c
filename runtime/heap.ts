// What a process that should stay small tells V8 (D-028). Other processes leave V8 as it is.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Keeps the young generation as small as it is at the start of a process, two halves of 1 MiB.
 * Otherwise it grows to two of 16 MiB, which are resident from then on, used or not. To be called
 * before the bulk of the program is loaded.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Gives back what was needed for the start alone: sources of the configuration, its schemas, code
 * that ran once. V8 would keep it until the heap has grown a good deal. It takes some tens of
 * milliseconds, in which nothing else runs.
 */
export function forgetStart(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  // What the first one frees may have held other things by weak references.
  for (let turn = 0; turn < 2; turn++) collect();
}

/**
 * For a process through which much passes in buffers, and in which little else changes. V8 counts
 * what buffers hold as growth of the heap, but lets it grow by a share of what lives in the heap
 * itself, which is small: it began a full collection for every 25,000 spans (D-036). Five times as
 * much may come together now; 64 MiB of buffers begin one as before.
 */
export function allowGrowth(): void {
  setFlagsFromString('--heap-growing-percent=400');
}
