// Everything that a component may not reach for by itself. The real one talks to this machine; a
// simulation hands out its own.

import { createClock, type Clock } from './clock.ts';
import { createFiles, type Files } from './files.ts';
import { createRandom, type Random } from './random.ts';

export interface World {
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
}

export function createWorld(): World {
  return { clock: createClock(), files: createFiles(), random: createRandom() };
}
