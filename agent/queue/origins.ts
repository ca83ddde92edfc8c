// Which stretches of which sources a queue has taken, for receivers that can read their source
// again: what is here need not be read again after a crash.
//
// They stand in the records themselves (format.ts), so that a batch and what is known of it become
// durable together. What stands in segments that are removed is kept here:
//
//     marks    header record, as in a segment (format.ts); the payload is JSON:
//              [ { "receiver", "run", "content", "from", "to", "state" } … ], an Origin each
//
// Promises:
// - Nothing is said to be here that was not durable once. What was is forgotten only when a limit
//   is reached, a newer run of the receiver has begun, or `marks` cannot be written or read; then
//   it may come twice.
// - `marks` is sealed when the queue is: the state of a receiver may hold some of the content.

import { join } from 'node:path';
import type { Origin } from '../../proto/contract/batch.ts';
import { errorCode, errorMessage, systemCause } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import { SALT_BYTES, type KeyRing } from './cipher.ts';
import {
  decodeHeader, decodeRecord, encodeHeader, encodeRecord, HEADER_BYTES, HEADER_COPY_BYTES,
  openRecord, recordBytes, sealOf,
} from './format.ts';

export const limits = {
  /** Of one record; a batch of more origins is put without any. */
  recordBytesMax: 64 * 1024,
  /** Receivers; the one that was heard of first is forgotten. */
  receiversMax: 100,
  /** Contents of a receiver; the one that was heard of longest ago is forgotten. */
  contentsMax: 10_000,
  /** Stretches of a content with gaps between them; the first is forgotten. */
  stretchesMax: 8,
  /** A larger file is none of ours. */
  fileBytesMax: 64 * 1024 * 1024,
} as const;

export const MARKS = 'marks';

type Stretch = Pick<Origin, 'from' | 'to' | 'state'>;

interface Run {
  readonly run: string;
  readonly contents: Map<number, readonly Stretch[]>;
}

/** The bytes that stand in a record; null when there are none, or too many. */
export function encodeOrigins(origins: readonly Origin[]): Buffer | null {
  if (origins.length === 0) return null;
  const bytes = Buffer.from(JSON.stringify(origins.map(
    ({ receiver, run, content, from, to, state }) => [receiver, run, content, from, to, state])));
  return bytes.length > limits.recordBytesMax ? null : bytes;
}

/** Of any bytes: what is not one of ours is left out. */
export function decodeOrigins(bytes: Buffer): Origin[] {
  const rows = parse(bytes);
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row: unknown) => {
    const [receiver, run, content, from, to, state] = Array.isArray(row) ? row : [];
    const origin = { receiver, run, content, from, to, state };
    return isOrigin(origin) ? [origin] : [];
  });
}

function isOrigin(one: Record<keyof Origin, unknown>): one is Record<keyof Origin, never> {
  return typeof one.receiver === 'string' && typeof one.run === 'string'
    && Number.isSafeInteger(one.content) && Number.isSafeInteger(one.from)
    && Number.isSafeInteger(one.to) && typeof one.state === 'string';
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

export interface MarksOptions {
  readonly folder: string;
  readonly world: World;
  readonly log: Log;
  readonly keys: KeyRing;
  readonly agentId: string;
  readonly epoch: string;
}

export class Marks {
  readonly #options: MarksOptions;
  readonly #runs = new Map<string, Run>();
  #changed = false;

  constructor(options: MarksOptions) {
    this.#options = options;
  }

  /** These are durable. In the order in which they became so. */
  add(origins: readonly Origin[]): void {
    for (const origin of origins) {
      const { receiver, run, content } = origin;
      let known = this.#runs.get(receiver);
      if (known?.run !== run) {
        known = { run, contents: new Map() };
        this.#runs.delete(receiver);
        this.#runs.set(receiver, known);
        dropFirst(this.#runs, limits.receiversMax);
      }
      const before = known.contents.get(content) ?? [];
      // The last one heard of stands last.
      known.contents.delete(content);
      known.contents.set(content, joined(before, origin));
      dropFirst(known.contents, limits.contentsMax);
      this.#changed = true;
    }
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#runs.clear();
    this.#changed = true;
  }

  of(receiver: string): Origin[] {
    const known = this.#runs.get(receiver);
    if (known === undefined) return [];
    return [...known.contents].flatMap(([content, stretches]) =>
      stretches.map((stretch) => ({ receiver, run: known.run, content, ...stretch })));
  }

  /**
   * Keeps what is known when segments are removed. `makeRoom` is called when the disk is full.
   * Never throws: then it may be forgotten.
   */
  async save(makeRoom?: () => Promise<void>): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    const { folder, world, log } = this.#options;
    try {
      const path = join(folder, MARKS);
      const bytes = this.#encode();
      await world.files.replace(path, bytes).catch(async (error: unknown) => {
        if (errorCode(error) !== 'ENOSPC' || makeRoom === undefined) throw error;
        await makeRoom();
        await world.files.replace(path, bytes);
      });
    } catch (error) {
      this.#changed = true;
      log.warn(`cannot save where the records of the queue are from: ${systemCause(error)}; `
        + 'after a crash some may be read and sent again');
    }
  }

  /** Takes in what an earlier process kept. Never throws. */
  async load(): Promise<void> {
    const { folder, world: { files }, log } = this.#options;
    const path = join(folder, MARKS);
    try {
      const size = (await files.stat(path))?.sizeBytes ?? 0;
      const bytes = size > limits.fileBytesMax ? null : await files.read(path);
      if (bytes !== null) this.add(this.#decode(bytes));
    } catch (error) {
      log.warn(`cannot read ${MARKS} of the queue: ${errorMessage(error)}`);
    }
    this.#changed = false;
  }

  #encode(): Buffer {
    const { world, keys: { current: key }, agentId, epoch } = this.#options;
    const origins = [...this.#runs.keys()].flatMap((receiver) => this.of(receiver));
    const payload = Buffer.from(JSON.stringify(origins));
    const seal = key === null ? null : { keyId: key.id, salt: world.random.bytes(SALT_BYTES) };
    const header = { agentId, epoch, first: 1, seal };
    const bytes = Buffer.alloc(HEADER_BYTES + recordBytes(payload.length, seal !== null));
    encodeHeader(header).copy(bytes);
    const head = { signal: 'logs', itemCount: 0, sequence: 1, enqueuedMs: 0 } as const;
    encodeRecord(bytes, HEADER_BYTES, head, payload, key === null ? null : sealOf(header, key));
    return bytes;
  }

  #decode(bytes: Buffer): Origin[] {
    const header = decodeHeader(bytes.subarray(0, HEADER_COPY_BYTES));
    const record = decodeRecord(bytes, HEADER_BYTES);
    if (header === null || record === null) throw new Error('it is damaged');
    const key = header.seal === null ? null : this.#options.keys.find(header.seal.keyId);
    if (header.seal !== null && key === null) throw new Error('its key is not configured');
    const payload = openRecord(bytes, record, key === null ? null : sealOf(header, key));
    const origins = payload === null ? null : parse(payload);
    if (!Array.isArray(origins)) throw new Error('it was changed');
    return origins.filter(isOrigin);
  }
}

/** Stretches without what lies between them, in order; those that touch become one. */
function joined(stretches: readonly Stretch[], { from, to, state }: Stretch): Stretch[] {
  let whole: Stretch = { from, to, state };
  const apart: Stretch[] = [];
  for (const one of stretches) {
    if (one.to < whole.from || one.from > whole.to) apart.push(one);
    else {
      const last = one.to > whole.to ? one : whole;
      whole = { from: Math.min(one.from, whole.from), to: last.to, state: last.state };
    }
  }
  const all = [...apart, whole].sort((a, b) => a.from - b.from);
  return all.slice(Math.max(0, all.length - limits.stretchesMax));
}

function dropFirst(map: Map<unknown, unknown>, most: number): void {
  if (map.size > most) map.delete(map.keys().next().value);
}
