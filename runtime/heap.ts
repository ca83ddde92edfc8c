// What a process that should stay small tells V8 (D-028). Other processes leave V8 as it is.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from './clock.ts';

const limits = {
  /** How often `tendHeap` looks how much there is to do. */
  lookMs: 1000,
  /** From this share of a core on time counts more than memory, in percent. */
  busyPercent: 50,
} as const;

/**
 * What requests leave behind lies outside of V8's heap, and is free when a collection finds its
 * objects dead: cheaply by one of the young generation, dearly by one of the whole heap.
 */
const CALM = [
  // Young collections when a sixth of the room is used, before so much lies outside that the
  // whole heap is collected for it.
  '--minor-gc-task-trigger=15',
  '--heap-growing-percent=0',
];
const BUSY = [
  // What is under way survives small steps, and is then only found by collections of all.
  '--minor-gc-task-trigger=80',
  // The whole heap is collected when four times what lives is there, with what lies outside.
  '--heap-growing-percent=300',
];

/**
 * Keeps the young generation as small as it is at the start of a process, two halves of 1 MiB.
 * Otherwise it grows to two of 16 MiB, which are resident from then on, used or not. To be called
 * before the bulk of the program is loaded.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Spends memory for time while the process has much to do, and only then. Until cancelled. */
export function tendHeap(clock: Clock): Timer {
  let used = process.cpuUsage();
  let lookedMs = clock.monotonicMs();
  let busy = false;
  CALM.forEach((flag) => setFlagsFromString(flag));
  return clock.every(limits.lookMs, () => {
    const { user, system } = process.cpuUsage(used);
    const nowMs = clock.monotonicMs();
    const percent = (user + system) / 10 / (nowMs - lookedMs);
    used = process.cpuUsage();
    lookedMs = nowMs;
    if (percent >= limits.busyPercent === busy) return;
    busy = !busy;
    (busy ? BUSY : CALM).forEach((flag) => setFlagsFromString(flag));
  });
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
