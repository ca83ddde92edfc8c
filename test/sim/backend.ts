// One start of a simulated backend: the real intake and writer, on a simulated connection.

import { createIntake, type Intake } from '../../backend/intake/intake.ts';
import { createWriter, type FlushOptions } from '../../backend/storage/clickhouse/writer.ts';
import { createCounters, type Counters } from '../../runtime/counters.ts';
import type { Random } from '../../runtime/random.ts';
import { SimulatedConnection, type ConnectionParts } from './connection.ts';
import { createJournalLog, type Journal } from './journal.ts';
import type { Life } from './life.ts';
import { createHostClock, never } from './time.ts';

export interface Backend {
  readonly life: Life;
  readonly intake: Intake;
  readonly counters: Counters;
  /** In order: sends what it gathered, and ends. */
  stop(deadline: AbortSignal): Promise<void>;
}

export interface BackendParts extends ConnectionParts {
  readonly journal: Journal;
  readonly flush: FlushOptions;
  /** Chance of the program itself, apart from that of its surroundings. */
  readonly ownRandom: Random;
  jumpMs(): number;
}

export async function startBackend(parts: BackendParts): Promise<Backend> {
  const { life, journal, flush } = parts;
  const counters = createCounters();
  const world = {
    clock: createHostClock(parts.time, life, parts.jumpMs),
    random: parts.ownRandom,
    // The writer has no file of its own.
    files: new Proxy({}, { get: () => never }) as never,
  };
  const writer = createWriter({
    world, counters, flush, log: createJournalLog(journal, life.name),
    connection: new SimulatedConnection(parts),
  });
  const intake = createIntake({ counters, writer });
  await intake.start();
  return {
    life, intake, counters,
    stop: async (deadline) => {
      await intake.stop(deadline);
      await writer.stop(deadline);
    },
  };
}
