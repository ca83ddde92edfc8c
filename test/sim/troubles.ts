// The kinds of trouble: each begins, and most end by themselves after a while.

import type { Random } from '../../runtime/random.ts';
import { NO_FAULTS, spread, type Faults } from './faults.ts';
import type { World } from './world.ts';

/** Names a kind; `TROUBLES` lists all. */
export type Trouble = keyof typeof KINDS;

type Begin = (world: World, random: Random) => void;

/** A change of the faults that ends after at most so long. */
function during(longestMs: number, change: (random: Random) => Partial<Faults>): Begin {
  return (world, random) => {
    const changed = change(random);
    Object.assign(world.faults, changed);
    world.applyFaults();
    world.time.after(spread(random, longestMs), () => {
      for (const name of Object.keys(changed) as (keyof Faults)[]) {
        Object.assign(world.faults, { [name]: NO_FAULTS[name] });
      }
      world.applyFaults();
    });
  };
}

/** Somewhere among the next awaits of a process. */
const soon = (random: Random): number => 1 + Math.floor(spread(random, 60));

const downMs = (random: Random): number => 100 + spread(random, 20_000);

const DAY_MS = 86_400_000;

const jumpOf = (random: Random): number =>
  (random.float() < 0.5 ? (random.float() - 0.5) * 4 * DAY_MS : (random.float() - 0.5) * 120_000);

const KINDS = {
  partition: during(60_000, () => ({ partitioned: true })),
  lossyNetwork: during(60_000, (random) => ({
    lost: random.float() * 0.5, reset: random.float() * 0.3,
  })),
  answersLost: during(60_000, (random) => ({ answerLost: random.float() })),
  doubled: during(60_000, (random) => ({ doubled: random.float() })),
  slowNetwork: during(60_000, (random) => ({ delayMs: random.float() * 15_000 })),
  refusals: during(10_000, (random) => ({ refused: random.float() * 0.5 })),
  diskErrors: during(5000, (random) => ({ diskError: random.float() * 0.2 })),
  diskGone: during(40_000, () => ({ diskError: 1 })),
  syncsFail: during(5000, () => ({ syncsFail: true })),
  diskFull: during(40_000, () => ({ diskFull: true })),
  slowDisk: during(30_000, (random) => ({ diskSlowMs: random.float() * 3000 })),
  storeErrors: during(30_000, (random) => ({ storeError: random.float() * 0.5 })),
  storeLost: during(30_000, (random) => ({ storeLost: random.float() * 0.5 })),
  storeAnswersLost: during(30_000, (random) => ({ storeAnswerLost: random.float() })),
  slowStore: during(60_000, (random) => ({ storeSlowMs: random.float() * 40_000 })),
  storeRestart: (world, random) => world.store.restart(spread(random, 10_000)),
  agentKilled: (world, random) => world.agent.dieWithin(soon(random), downMs(random), 'kill'),
  agentPowerLost: (world, random) => world.agent.dieWithin(soon(random), downMs(random), 'power'),
  agentStopped: (world, random) => world.agent.stop(spread(random, 10_000), downMs(random)),
  backendKilled: (world, random) => world.backend.dieWithin(soon(random), downMs(random)),
  backendStopped: (world, random) => world.backend.stop(spread(random, 10_000), downMs(random)),
  agentClockJumps: (world, random) => world.agent.jump(jumpOf(random)),
  backendClockJumps: (world, random) => world.backend.jump(jumpOf(random)),
} satisfies Record<string, Begin>;

export const TROUBLES = Object.keys(KINDS) as readonly Trouble[];

export function begin(trouble: Trouble, world: World, random: Random): void {
  KINDS[trouble](world, random);
}
