// Entries become batches of OTLP log records by way of operators: each entry is made, changed by
// the operators, and what is left of it is written to the bytes of the request at once, grouped by
// resource and scope.
//
// Promises:
// - A batch holds all that became of the entries before `taken`, and nothing of those behind it.
//   Who calls gives these again, with the ones that follow: nothing is kept from call to call.
// - An entry that no reader would take (nested too deep) is left out alone, and counted.

import { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext } from '../../proto/contract/component.ts';
import { Writer } from '../../proto/protobuf/writer.ts';
import { rateLimited } from '../../runtime/log.ts';
import { encodeEntry, encodeMap, OUTER_DEPTH } from './encode.ts';
import { duplicateMap, type Entry, type ValueMap } from './entry.ts';
import { createFlow, type Listener } from './flow.ts';
import { joinGroups, type EncodedGroup } from './groups.ts';
import type { OperatorConfig } from './pipeline.ts';

/** Entries in the order of their source; each may be asked for once in a call. */
export interface EntrySource {
  readonly count: number;
  /** Makes the entry at `index`, from 0; null for one that is left out. */
  readonly entry: (index: number) => Entry | null;
  readonly observedNs: bigint;
  /** Whether what is held back from this index on has waited long enough for others to come. */
  readonly isDue: (index: number) => boolean;
}

export interface EntryBatch {
  /** Null when there is nothing to send. */
  readonly batch: Batch<'logs'> | null;
  /** Entries before it are dealt with; those from it on are to be given again. */
  readonly taken: number;
  /** Where that begins which is held back, in order; the first is `taken`. */
  readonly held: readonly number[];
}

export interface EntryBatches {
  /** How long what is held back waits for others to come; null when nothing ever is. */
  readonly holdMs: number | null;
  build(source: EntrySource): EntryBatch;
}

const LOG_INTERVAL_MS = 60_000;

/** `operators` may be none: entries are then sent as they are. */
export function createEntryBatches(
  operators: readonly OperatorConfig[], context: ComponentContext,
): EntryBatches {
  const { clock, random } = context.world;
  const run = createRun(createCounting(context));
  const flow = createFlow(operators, { clock, random }, run);
  const { holders } = flow;
  const changesResource = mayChangeResource(operators);
  let bytesHint = GROUP_BYTES_HINT;
  return {
    holdMs: holders.length === 0 ? null : Math.min(...holders.map(({ holdMs }) => holdMs)),
    build: ({ count, entry: entryAt, observedNs, isDue }) => {
      const groups = createGroups(bytesHint);
      const encode = (entry: Entry): void => {
        if (!encodeEntry(groups.of(entry), entry, observedNs)) run.dropped();
      };
      const waiting: Entry[] = [];
      run.begin(holders.length === 0 ? encode : (entry) => waiting.push(entry), holders.length > 0);
      for (let index = 0; index < count; index++) {
        const entry = entryAt(index);
        if (entry === null) continue;
        if (changesResource) entry.resource = duplicateMap(entry.resource);
        entry.first = entry.last = run.index = index;
        flow.push(entry);
      }
      // What these do is counted at once: it is rare that it is done again.
      run.index = -1;
      for (const holder of holders) holder.release(isDue);
      const held = holders.flatMap((holder) => holder.groups());
      const taken = cutBefore(Math.min(count, ...held), waiting);
      for (const entry of waiting) if (entry.last < taken) encode(entry);
      for (const holder of holders) holder.forget();
      run.finish(taken);
      const { batch, largestBytes } = groups.finish();
      bytesHint = Math.min(GROUP_BYTES_HINT_MAX, Math.max(GROUP_BYTES_HINT, largestBytes * 1.125));
      return { batch, taken, held: beginnings(taken, count, held) };
    },
  };
}

/** Named by a field or a value of any key of an operator, or known of its type. */
const mayChangeResource = (operators: readonly OperatorConfig[]): boolean =>
  operators.some(({ type }) => type === 'container')
  || JSON.stringify(operators).includes('"root":"resource"');

/**
 * The last place, not behind `cut`, that no entry lies across: what is made of entries on both
 * sides of it would be lost or sent twice.
 */
function cutBefore(cut: number, entries: readonly Entry[]): number {
  let before = cut;
  const across = entries.filter(({ last }) => last >= cut).sort((a, b) => b.last - a.last);
  for (const { first, last } of across) if (last >= before) before = Math.min(before, first);
  // Those that end between the two cuts may begin before both.
  return before === cut ? cut : cutBefore(before, entries);
}

/** Where what is held begins; what stands before the first group waits as long as that. */
function beginnings(taken: number, count: number, held: readonly number[]): number[] {
  return taken === count ? [] : [...new Set([taken, ...held])].sort((a, b) => a - b);
}

/** What is counted of entries: at once, or, where they may be given again, when they are taken. */
interface Run extends Listener {
  /** Which entry is under way. */
  index: number;
  begin(emit: (entry: Entry) => void, mayRepeat: boolean): void;
  finish(taken: number): void;
}

function createRun(counting: Counting): Run {
  let emit: (entry: Entry) => void = () => {};
  let mayRepeat = false;
  let notes: { readonly index: number; readonly count: () => void }[] = [];
  const note = (count: () => void): void => {
    if (mayRepeat) notes.push({ index: run.index, count });
    else count();
  };
  const run: Run = {
    index: 0,
    begin: (emitted, repeats) => {
      emit = emitted;
      mayRepeat = repeats;
    },
    emit: (entry) => emit(entry),
    failed: (operator, fault, quiet) => note(() => counting.failed(operator, fault, quiet)),
    dropped: () => note(counting.dropped),
    filtered: () => note(counting.filtered),
    finish: (taken) => {
      for (const { index, count } of notes) if (index < taken) count();
      notes = [];
    },
  };
  return run;
}

type Counting = Omit<Listener, 'emit'>;

function createCounting(context: ComponentContext): Counting {
  const { id, counters, world: { clock } } = context;
  const log = rateLimited(context.log, clock, LOG_INTERVAL_MS);
  const dropped = counters.counter('binnacle_operator_dropped_records_total',
    'Records dropped by on_error of an operator.', { receiver: id });
  const filtered = counters.counter('binnacle_operator_filtered_records_total',
    'Records dropped by filter, or by router for want of a route.', { receiver: id });
  return {
    failed: (operator, fault, quiet) => {
      counters.counter('binnacle_operator_errors_total',
        'Records that an operator failed on.', { receiver: id, operator }).add(1);
      if (!quiet) log.warn(`cannot apply operator ${operator}: ${fault}`);
    },
    dropped: () => dropped.add(1),
    filtered: () => filtered.add(1),
  };
}

/** A first guess; the buffer grows from there. Later ones are what the largest group took. */
const GROUP_BYTES_HINT = 16 * 1024;
const GROUP_BYTES_HINT_MAX = 4 * 1024 * 1024;

interface Group {
  readonly resource: ValueMap;
  readonly scopeName: string;
  /** The records, as they stand in ScopeLogs. */
  readonly scope: Writer;
}

interface Groups {
  /** Where the record of an entry is written to. */
  of(entry: Entry): Writer;
  finish(): { batch: Batch<'logs'> | null; largestBytes: number };
}

function createGroups(bytesHint: number): Groups {
  const groups = new Map<string, Group>();
  let last: Group | null = null;
  const find = ({ resource, scopeName }: Entry): Group => {
    const key = groupKey(resource, scopeName);
    const known = groups.get(key);
    if (known !== undefined) return known;
    const group = { resource, scopeName, scope: new Writer(bytesHint) };
    group.scope.depth = OUTER_DEPTH;
    groups.set(key, group);
    return group;
  };
  return {
    of: (entry) => {
      // One object is one resource: most entries of a source share it.
      const same = last?.resource === entry.resource && last.scopeName === entry.scopeName;
      last = same ? last! : find(entry);
      return last.scope;
    },
    finish: () => {
      const filled = [...groups.values()].filter(({ scope }) => scope.position > 0);
      const largestBytes = filled.reduce((most, { scope }) => Math.max(most, scope.position), 0);
      const bytes = filled.length === 0 ? null : joinGroups(filled.map(toEncoded));
      return { batch: bytes === null ? null : Batch.fromBytes('logs', bytes), largestBytes };
    },
  };
}

/** Equal resources have equal keys; most have no or few attributes. */
function groupKey(resource: ValueMap, scopeName: string): string {
  return scopeName + JSON.stringify(resource, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value);
}

function toEncoded({ resource, scopeName, scope }: Group): EncodedGroup {
  const writer = new Writer(256);
  const mark = writer.open((1 << 3) | 2, 1);
  encodeMap(writer, (1 << 3) | 2, resource);
  writer.close(mark);
  return { resource: writer.finish(), scope: encodeScope(scopeName), records: scope };
}

function encodeScope(name: string): Uint8Array {
  const writer = new Writer(64);
  if (name === '') return writer.finish();
  const mark = writer.open((1 << 3) | 2, 1);
  writer.stringField((1 << 3) | 2, name);
  writer.close(mark);
  return writer.finish();
}
