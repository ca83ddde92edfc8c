// Everything together: sources, agent with its disk, network, backend, store.

import type { Signal } from '../../proto/otlp/model.ts';
import { createSeededRandom, type Random } from '../../runtime/random.ts';
import { createFaultyFiles, type FaultyFiles } from '../contract/faulty_files.ts';
import { startAgent, type Agent } from './agent.ts';
import { startBackend, type Backend } from './backend.ts';
import { chance, NO_FAULTS, spread, type Faults } from './faults.ts';
import { Host } from './host.ts';
import { createJournal, type Journal } from './journal.ts';
import { crosses, type Life } from './life.ts';
import { createSender, type NetworkParts } from './network.ts';
import { chooseSettings, type Settings } from './settings.ts';
import { startSource, type Source } from './sources.ts';
import { createStore, type Store } from './store.ts';
import { createTime, never, type Time } from './time.ts';

export interface World {
  readonly settings: Settings;
  readonly time: Time;
  readonly journal: Journal;
  readonly faults: Faults;
  /** Makes the disk follow the faults. */
  applyFaults(): void;
  readonly store: Store;
  readonly disk: FaultyFiles;
  readonly agent: AgentHost;
  readonly backend: Host<Backend>;
  readonly sources: readonly Source[];
  /** What the backend has accepted, by batch: how many records it has refused of it. */
  readonly answered: ReadonlyMap<string, { readonly signal: Signal; readonly refused: number }>;
  /** The sum of a counter over the agents of the past and of now. */
  counted(name: string): number;
  /** Ends all trouble. */
  heal(): void;
}

/** Counters of agents: items that a full queue gave up, batches that it lost, refused items. */
export const DROPPED = 'binnacle_queue_dropped_items_total';
export const MISSING = 'binnacle_queue_missing_batches_total';
export const REFUSED = 'binnacle_exporter_refused_items_total';

/** What a crash of the agent does to its disk. */
type Crash = 'kill' | 'power';

/** A disk does not shrink because it is full. */
const DISK_BYTES = 2 ** 40;

export function createSimulation(seed: number, linesMax: number): World {
  const stream = (name: number): Random => fast(createSeededRandom(seed * 31 + name));
  const settings = chooseSettings(stream(1));
  const time = createTime();
  const journal = createJournal(time, linesMax);
  const faults: Faults = { ...NO_FAULTS };
  const store = createStore({ time, journal, faults, random: stream(2) });
  let writing: Life | null = null;
  const diskRandom = stream(3);
  const disk = createFaultyFiles(seed, async () => {
    if (writing !== null && !crosses(writing)) await never();
    if (faults.diskSlowMs > 0) await time.sleep(spread(diskRandom, faults.diskSlowMs));
    if (!chance(diskRandom, faults.diskError)) return;
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
  });
  const space = async () => ({
    totalBytes: DISK_BYTES, freeBytes: DISK_BYTES, availableBytes: DISK_BYTES,
    inodes: 1000, inodesFree: 900,
  });
  const ownRandom = { agent: stream(4), backend: stream(5) };
  const connectionRandom = stream(6);
  const backend: Host<Backend> = new Host<Backend>({
    name: 'backend', time, journal,
    start: (life) => startBackend({
      time, life, journal, faults, store, random: connectionRandom, ownRandom: ownRandom.backend,
      flush: settings.flush, jumpMs: () => backend.jumpMs(),
    }),
    ended: () => {},
  });
  const answered = new Map<string, { signal: Signal; refused: number }>();
  const network: NetworkParts = {
    time, faults, journal, random: stream(7), itemsMax: settings.itemsMax,
    backend: () => backend.program,
    onAnswer: ({ id, signal }, outcome) => {
      if (outcome.status === 'accepted') answered.set(id!, { signal, refused: outcome.rejected });
    },
  };
  const past = new Map<string, number>();
  const agent: AgentHost = new AgentHost({
    name: 'agent', time, journal,
    start: (life) => {
      writing = life;
      return startAgent({
        time, life, journal, files: { ...disk.files, space },
        ownRandom: ownRandom.agent, settings: settings.agent,
        sender: createSender(network, life), jumpMs: () => agent.jumpMs(),
      });
    },
    ended: (program) => {
      for (const name of COUNTED) past.set(name, (past.get(name) ?? 0) + total(program, name));
      if (agent.crash === 'power') disk.crash();
      else disk.kill();
      agent.crash = 'kill';
    },
  });
  const sources = settings.sources.map((own, index) => startSource({
    ...own, time, journal, random: stream(100 + index),
    agent: () => agent.program, agentGone: () => agent.gone(),
  }));
  const applyFaults = () => {
    disk.failSyncs(faults.syncsFail);
    disk.capacity(faults.diskFull ? stored(disk) : Number.POSITIVE_INFINITY);
  };
  agent.start();
  backend.start();
  return {
    settings, time, journal, faults, applyFaults, store, disk, agent, backend, sources, answered,
    counted: (name) => (past.get(name) ?? 0) + total(agent.program, name),
    heal: () => {
      Object.assign(faults, NO_FAULTS);
      applyFaults();
      agent.heal();
      backend.heal();
    },
  };
}

const COUNTED = [DROPPED, MISSING, REFUSED];

const total = (program: Agent | null, name: string): number =>
  program?.counters.total(name) ?? 0;

export class AgentHost extends Host<Agent> {
  crash: Crash = 'kill';

  override dieWithin(crossings: number, downMs: number, crash: Crash = 'kill'): void {
    this.crash = crash;
    super.dieWithin(crossings, downMs);
  }
}

const stored = (disk: FaultyFiles): number =>
  disk.paths().reduce((sum, path) => sum + (disk.content(path)?.length ?? 0), 0);

/** The same chances; large stretches of bytes, which only fill space, come from a few of them. */
function fast(random: Random): Random {
  const LARGE = 1024;
  return {
    ...random,
    bytes: (count) => (count < LARGE ? random.bytes(count)
      : Buffer.alloc(count, Buffer.from(random.bytes(64)))),
  };
}
