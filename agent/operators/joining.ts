// Entries that become one: the text of a field of each, put together, by source.
//
// Invariants: a source has at most one group that is open; groups stand in the order of their first
// entries; what is sent knows the first and the last entry that it is made of.

import { getField, setField, type Entry, type Field } from './entry.ts';
import type { Holder, Take } from './step.ts';

export interface JoinOptions {
  readonly field: Field;
  /** What stands between the texts. */
  readonly between: string;
  /** Whose other fields are kept. */
  readonly keep: 'oldest' | 'newest';
  /** A group of so many entries is sent; 0: no bound. */
  readonly entriesMax: number;
  /** The same before one of them was the first or last one of a series. */
  readonly unmatchedMax: number;
  /** A group of more bytes of text is sent; 0: no bound. */
  readonly bytesMax: number;
  /** With more sources than this all groups are sent. */
  readonly sourcesMax: number;
  readonly holdMs: number;
}

interface Group {
  entry: Entry;
  text: string;
  bytes: number;
  count: number;
  matched: boolean;
  first: number;
  last: number;
}

export class Joining implements Holder {
  readonly holdMs: number;
  private readonly open = new Map<string, Group>();
  private readonly options: JoinOptions;
  private readonly take: Take;

  constructor(options: JoinOptions, take: Take) {
    this.options = options;
    this.take = take;
    this.holdMs = options.holdMs;
  }

  /** Adds an entry whose field is this text. `matched`: it begins or ends a series. */
  add(source: string, entry: Entry, text: string, matched: boolean): void {
    const { between, keep, sourcesMax } = this.options;
    const group = this.open.get(source);
    if (group === undefined) {
      if (this.open.size >= sourcesMax) this.release(() => true);
      const { first, last } = entry;
      const bytes = Buffer.byteLength(text);
      this.open.set(source, { entry, text, bytes, count: 1, matched, first, last });
    } else {
      group.count++;
      group.matched ||= matched;
      const joint = group.text === '' ? '' : between;
      group.text += joint + text;
      group.bytes += Buffer.byteLength(joint) + Buffer.byteLength(text);
      if (keep === 'newest') group.entry = entry;
      group.first = Math.min(group.first, entry.first);
      group.last = Math.max(group.last, entry.last);
    }
    if (this.isFull(this.open.get(source)!)) this.send(source);
  }

  has(source: string): boolean {
    return this.open.has(source);
  }

  /** Sends the group of a source, if there is one. */
  send(source: string): void {
    const group = this.open.get(source);
    if (group === undefined) return;
    this.open.delete(source);
    const { entry, text, first, last } = group;
    setField(entry, this.options.field, text);
    entry.first = first;
    entry.last = last;
    this.take(entry);
  }

  groups(): number[] {
    return [...this.open.values()].map(({ first }) => first);
  }

  release(isDue: (first: number) => boolean): void {
    for (const [source, { first }] of [...this.open]) if (isDue(first)) this.send(source);
  }

  forget(): void {
    this.open.clear();
  }

  private isFull({ count, bytes, matched }: Group): boolean {
    const { entriesMax, unmatchedMax, bytesMax } = this.options;
    return (bytesMax > 0 && bytes > bytesMax)
      || (entriesMax > 0 && count >= entriesMax)
      || (!matched && unmatchedMax > 0 && count >= unmatchedMax);
  }
}

/** The text of a field that names the source of an entry; empty when there is none. */
export function sourceOf(entry: Entry, field: Field): string {
  const value = getField(entry, field);
  return typeof value === 'string' ? value : '';
}
