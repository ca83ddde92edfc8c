// What must hold whatever happens. Some laws are watched while things happen, the others are
// checked when all trouble is over and everything has had time to settle.
//
// - Conservation: a record that a source was told to be accepted is stored, or kept in `rejected/`,
//   or is among as many records as were counted as dropped or refused. Else none is missing.
//   What cannot be stored is not stored.
// - Exactly once: no record of a batch is stored twice; a record that was handed over once is
//   stored at most once.
// - Books: for what the backend accepted, the targets of views say what the tables do.
// - Order: with one sender, batches are committed in the order of the queue.
// - Bounds: bytes that wait in the backend; bytes of the queue on disk, up to one segment more.
// - Liveness: in `SETTLE_MS` after the trouble all is delivered and the queue is empty.

import { Batch } from '../../proto/contract/batch.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import { itemKeys } from '../contract/fakes.ts';
import { FOLDER } from './agent.ts';
import { BAD } from './records.ts';
import { batchKey, countBatches, type Row, type TraceTimes } from './store.ts';
import { DROPPED, MISSING, REFUSED, type World } from './world.ts';

export const SETTLE_MS = 1_200_000;

const SAMPLE_MS = 500;
const SEGMENT_BYTES_MIN = 64 * 1024;
const RECORD_BYTES_MAX = 512 * 1024;
const SECOND_NS = 1_000_000_000n;

/** Watches from now on. */
export function watch(world: World): void {
  watchCommits(world);
  watchBounds(world);
}

function watchCommits({ store, journal, settings }: World): void {
  const stored = new Set<string>();
  // What is refused on its way may still be stored by an earlier attempt, after later batches.
  const ordered = settings.agent.concurrency === 1 && !settings.troubles.includes('refusals');
  let newest = 0;
  store.onCommit(({ table, batch, key }: Row) => {
    const name = `${table} ${batch.replace(/ untimed$/, '')} ${key}`;
    if (stored.has(name)) journal.broken(`stored twice: ${name}`);
    stored.add(name);
    const sequence = sequenceOf(batch);
    if (ordered && sequence < newest) {
      journal.broken(`batch ${sequence} is stored after batch ${newest}`);
    }
    newest = Math.max(newest, sequence);
  });
}

/** `<agent>/<epoch>/<sequence>`, with `.<part>` and ` <piece>` behind it. */
const sequenceOf = (batch: string): number => Number.parseInt(batch.split('/')[2] ?? '', 10);

function watchBounds(world: World): void {
  const { time, journal, disk, settings, backend, agent } = world;
  const { bytesMax } = settings.agent.queue.size;
  const { waitingBytesMax } = settings.flush;
  const diskMax = bytesMax + Math.max(SEGMENT_BYTES_MIN, bytesMax / 8) + RECORD_BYTES_MAX;
  const sample = () => {
    const waiting = backend.program?.counters.total('binnacle_storage_waiting_bytes') ?? 0;
    if (waiting > waitingBytesMax + RECORD_BYTES_MAX) {
      journal.broken(`${waiting} bytes wait in the backend`);
    }
    const bytes = disk.paths().filter((path) => path.endsWith('.seg'))
      .reduce((sum, path) => sum + disk.content(path)!.length, 0);
    if (bytes > diskMax) journal.broken(`the queue has ${bytes} of ${bytesMax} bytes`);
    for (const name of ['otelcol_exporter_queue_size', 'binnacle_queue_items']) {
      const value = agent.program?.counters.total(name) ?? 0;
      if (value < 0) journal.broken(`${name} is ${value}`);
    }
    time.after(SAMPLE_MS, sample);
  };
  sample();
}

/** True when nothing is left to do. */
export function settled({ sources, agent }: World): boolean {
  return agent.program !== null && sources.every((source) => source.done())
    && agent.program.counters.total('otelcol_exporter_queue_size') === 0;
}

/** To be called when it is settled. */
export function checkEnd(world: World): void {
  const { journal } = world;
  const counts = new Map<string, number>();
  for (const { key } of world.store.rows()) counts.set(key, (counts.get(key) ?? 0) + 1);
  const letters = deadLetters(world);
  const lost: string[] = [];
  for (const { sent } of world.sources) {
    for (const [key, { times, told }] of sent) {
      const count = counts.get(key) ?? 0;
      if (key.includes(BAD)) {
        if (count > 0) journal.broken(`${key} cannot be stored, and is`);
        continue;
      }
      if (count > times) journal.broken(`${key} was sent ${times} times and stored ${count} times`);
      if (told === 'refused') journal.broken(`${key} was refused`);
      if (told === 'accepted' && count === 0 && !letters.has(key)) lost.push(key);
    }
  }
  const { agent: { queue: { whenFull } }, troubles } = world.settings;
  const dropped = world.counted(DROPPED);
  // A refused batch that cannot be kept, or is a part of a large one, is counted.
  const counted = dropped + (troubles.includes('refusals') ? world.counted(REFUSED) : 0);
  if (whenFull === 'refuse' && dropped > 0) journal.broken(`${dropped} records were dropped`);
  if (lost.length > counted) {
    const names = lost.slice(0, 5).join(' ');
    journal.broken(`${lost.length} accepted records are gone, ${counted} counted: ${names}`);
  }
  const missing = world.counted(MISSING);
  if (missing > 0) journal.broken(`the queue misses ${missing} batches`);
  checkTraceTimes(world);
  checkBooks(world);
}

function deadLetters({ disk }: World): Set<string> {
  const keys = new Set<string>();
  for (const path of disk.paths()) {
    const signal = SIGNALS.find((one) => path.endsWith(`.${one}.otlp`));
    if (signal === undefined || !path.startsWith(`${FOLDER}/rejected/`)) continue;
    for (const key of itemKeys(Batch.fromBytes(signal, disk.content(path)!))) keys.add(key);
  }
  return keys;
}

/** The rows of batches that the backend has accepted: of these, the targets of views are right. */
function acceptedRows({ store, answered }: World): Row[] {
  return [...store.rows()].filter(({ batch }) => answered.has(batch.split(' ')[0]!));
}

function checkTraceTimes(world: World): void {
  const { store, journal } = world;
  const least = timesOf(acceptedRows(world));
  const most = timesOf(store.rows());
  const found = store.traceTimes();
  for (const [trace, { start, end }] of least) {
    const own = found.get(trace);
    if (own === undefined || own.start > start || own.end < end) {
      journal.broken(`trace ${trace} is from ${own?.start} to ${own?.end}, not ${start} to ${end}`);
    }
  }
  for (const [trace, { start, end }] of found) {
    const own = most.get(trace);
    if (own === undefined || own.start > start || own.end < end) {
      journal.broken(`the view says of trace ${trace} more than its spans`);
    }
  }
}

function timesOf(rows: Iterable<Row>): Map<string, TraceTimes> {
  const times = new Map<string, TraceTimes>();
  for (const { table, trace, timeNs } of rows) {
    if (table !== 'otel_traces') continue;
    const second = timeNs / SECOND_NS;
    const { start, end } = times.get(trace) ?? { start: second, end: second };
    times.set(trace, { start: second < start ? second : start, end: second > end ? second : end });
  }
  return times;
}

function checkBooks(world: World): void {
  const { store, journal, answered } = world;
  const books = store.batches();
  for (const [key, count] of countBatches(acceptedRows(world))) {
    if (books.get(key) !== count) journal.broken(`${key} has ${count} rows, not ${books.get(key)}`);
  }
  for (const [batch, { signal, refused }] of answered) {
    const noted = books.get(batchKey(batch, signal, null)) ?? 0;
    if (noted !== refused) journal.broken(`${batch}: ${refused} refused, ${noted} noted`);
  }
}
