// Does the faults of a plan to a machine, each at its time, and undoes them.

import { createClock } from '../../runtime/clock.ts';
import type { Machine } from './machine.ts';
import type { Fault, FaultName, Target } from './plan.ts';

export interface Faults {
  /** What is being done right now, for people. */
  active(): string[];
  readonly applied: ReadonlyMap<FaultName, number>;
  /** Resolves when all faults were applied and undone, early when `abort` fires. */
  readonly done: Promise<void>;
}

const clock = createClock();

export function startFaults(machine: Machine, plan: readonly Fault[], abort: AbortSignal): Faults {
  const startMs = clock.monotonicMs();
  const active = new Set<Fault>();
  const applied = new Map<FaultName, number>();
  const chains = new Map<Target, Promise<void>>();
  const run = async (fault: Fault): Promise<void> => {
    if (abort.aborted) return;
    active.add(fault);
    applied.set(fault.name, (applied.get(fault.name) ?? 0) + 1);
    await ACTIONS[fault.name](machine, () => clock.sleep(fault.durationMs, abort));
    active.delete(fault);
  };
  const course = async (): Promise<void> => {
    for (const fault of plan) {
      await clock.sleep(startMs + fault.atMs - clock.monotonicMs(), abort);
      const before = chains.get(fault.target) ?? Promise.resolve();
      chains.set(fault.target, before.then(() => run(fault)));
    }
    await Promise.all(chains.values());
  };
  return {
    active: () => [...active].map(({ name }) => name),
    applied,
    done: course(),
  };
}

type Action = (machine: Machine, hold: () => Promise<void>) => Promise<void>;

const ACTIONS: Record<FaultName, Action> = {
  'kill agent': ({ agent }, hold) => away(agent, 'SIGKILL', hold),
  'pause agent': ({ agent }, hold) => paused((signal) => agent.signal(signal), hold),
  'restart agent': ({ agent }, hold) => away(agent, 'SIGTERM', hold),
  'kill backend': ({ backend }, hold) => away(backend, 'SIGKILL', hold),
  'pause backend': ({ backend }, hold) => paused((signal) => backend.signal(signal), hold),
  'restart backend': ({ backend }, hold) => away(backend, 'SIGTERM', hold),
  'kill engine': async (machine) => void machine.signalEngine('SIGKILL'),
  'pause engine': (machine, hold) => paused((signal) => machine.signalEngine(signal), hold),
  'cut network': ({ proxy }, hold) => network(proxy, 'cut', hold),
  'half-open network': ({ proxy }, hold) => network(proxy, 'half-open', hold),
  'slow network': ({ proxy }, hold) => network(proxy, 'slow', hold),
  'lose answers': ({ proxy }, hold) => network(proxy, 'lose', hold),
  'reset connections': async ({ proxy }) => proxy.reset(),
  'fill disk': async (machine, hold) => {
    machine.fillDisk();
    await hold();
    machine.freeDisk();
  },
};

async function away(
  process: Machine['agent'], signal: 'SIGKILL' | 'SIGTERM', hold: () => Promise<void>,
): Promise<void> {
  await process.end(signal);
  await hold();
  await process.start();
}

async function paused(
  signal: (name: NodeJS.Signals) => boolean, hold: () => Promise<void>,
): Promise<void> {
  signal('SIGSTOP');
  await hold();
  signal('SIGCONT');
}

async function network(
  proxy: Machine['proxy'], mode: 'cut' | 'half-open' | 'slow' | 'lose', hold: () => Promise<void>,
): Promise<void> {
  proxy.set(mode);
  await hold();
  proxy.set('pass');
}
