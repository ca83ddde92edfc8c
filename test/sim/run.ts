// One seed from its beginning to its verdict.

import { createSeededRandom } from '../../runtime/random.ts';
import { LINES_MAX } from './journal.ts';
import { checkEnd, settled, SETTLE_MS, watch } from './laws.ts';
import { begin } from './troubles.ts';
import { createSimulation, type World } from './world.ts';

export interface Verdict {
  readonly seed: number;
  /** The laws that were broken; none is the wish. */
  readonly broken: readonly string[];
  /** The same for each run of the seed. */
  readonly hash: string;
  /** What happened last. */
  readonly lines: readonly string[];
  readonly troubles: readonly string[];
  readonly settings: string;
  readonly events: number;
  readonly rows: number;
}

/** Virtual time after which a law that was broken early ends the run. */
const STEP_MS = 5000;

export interface SimulateOptions {
  /** How many of the last lines are kept. */
  readonly linesMax?: number;
  /** Kinds of trouble that are left out, to find out which one matters. */
  readonly without?: readonly string[];
}

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Verdict> {
  const world = createSimulation(seed, options.linesMax ?? LINES_MAX);
  const { time, journal, settings } = world;
  const thrown = (error: unknown) => journal.broken(`thrown at nobody: ${stackOf(error)}`);
  process.on('unhandledRejection', thrown);
  watch(world);
  trouble(world, seed, options.without ?? []);
  const stopped = () => journal.laws().length > 0;
  for (let ms = 0; ms < settings.troubleMs && !stopped(); ms += STEP_MS) {
    await time.run(stopped, STEP_MS);
  }
  journal.note('all trouble ends');
  world.heal();
  const done = await time.run(() => stopped() || settled(world), SETTLE_MS);
  if (!done) journal.broken(`not settled ${SETTLE_MS / 1000} s after the trouble: ${state(world)}`);
  else if (!stopped()) checkEnd(world);
  process.off('unhandledRejection', thrown);
  return {
    seed,
    broken: journal.laws(), hash: journal.hash(), lines: [...journal.lines()],
    troubles: settings.troubles, settings: JSON.stringify({ ...settings, troubles: undefined }),
    events: time.events(), rows: [...world.store.rows()].length,
  };
}

/** Begins one trouble after the other until the time for it is over. */
function trouble(world: World, seed: number, without: readonly string[]): void {
  const { time, journal, settings } = world;
  const random = createSeededRandom(seed * 31 + 8);
  const next = () => {
    if (time.nowMs() >= settings.troubleMs) return;
    const kind = settings.troubles[Math.floor(random.float() * settings.troubles.length)]!;
    if (!without.includes(kind)) {
      journal.note(`trouble: ${kind}`);
      begin(kind, world, random);
    }
    time.after(settings.troubleEveryMs * -Math.log(1 - random.float()), next);
  };
  time.after(random.float() * 2000, next);
}

function state({ sources, agent }: World): string {
  const waiting = sources.filter((source) => !source.done()).map(({ name }) => name);
  const queued = agent.program?.counters.total('otelcol_exporter_queue_size') ?? 'no agent, ?';
  return `${queued} batches in the queue, sources at work: ${waiting.join(' ') || 'none'}`;
}

const stackOf = (error: unknown): string =>
  (error instanceof Error ? error.stack ?? error.message : String(error));

/** For people: what to do with a failure. */
export function report({ seed, broken, lines, troubles, settings, hash }: Verdict): string {
  return [
    `SEED=${seed} breaks ${broken.length} laws (trace ${hash})`,
    `  again: npm run sim -- --seed ${seed} --trace`,
    ...broken.map((law) => `  ${law}`),
    `  troubles: ${troubles.join(' ')}`,
    `  settings: ${settings}`,
    '  the last that happened:',
    ...lines.map((line) => `    ${line}`),
  ].join('\n');
}
