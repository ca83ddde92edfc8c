// What is wrong at the moment, read by the simulated network, disk and store whenever they act.
// Shares are chances from 0 to 1 for each message, operation or statement.

import type { Random } from '../../runtime/random.ts';

export interface Faults {
  /** Between agent and backend nothing passes; nobody is told. */
  partitioned: boolean;
  /** Messages that vanish, are cut off with an error, come twice. */
  lost: number;
  reset: number;
  doubled: number;
  /** Answers of the backend that vanish. */
  answerLost: number;
  delayMs: number;
  /** Requests that something between agent and backend refuses for good. */
  refused: number;
  /** Operations that fail with EIO. */
  diskError: number;
  syncsFail: boolean;
  diskFull: boolean;
  diskSlowMs: number;
  /** Statements that end with an error that passes, at any step. */
  storeError: number;
  /** Statements that never reach the store; those whose answer does not come back. */
  storeLost: number;
  storeAnswerLost: number;
  storeSlowMs: number;
}

export const NO_FAULTS: Faults = {
  partitioned: false, lost: 0, reset: 0, doubled: 0, answerLost: 0, delayMs: 20, refused: 0,
  diskError: 0, syncsFail: false, diskFull: false, diskSlowMs: 0,
  storeError: 0, storeLost: 0, storeAnswerLost: 0, storeSlowMs: 0,
};

export const chance = (random: Random, share: number): boolean =>
  share > 0 && random.float() < share;

/** Mostly short, sometimes long: between 0 and `most`. */
export const spread = (random: Random, most: number): number => most * random.float() ** 3;
