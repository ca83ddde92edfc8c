// Masks the bytes of an export request: walks from text to text, notes what each becomes, and
// writes the request anew around what changed. All else is copied; records are never decoded.

import { fieldBits, LENGTH, Reader } from '../../../proto/protobuf/reader.ts';
import { Writer } from '../../../proto/protobuf/writer.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { PLAIN, type Masker, type Verdict } from './masker.ts';
import { SHAPES, type Shape } from './shapes.ts';

/** The masked request; `bytes` itself when nothing changed. Throws DecodeError. */
export function maskRequest(signal: Signal, bytes: Uint8Array, masker: Masker): Uint8Array {
  const walk = new Walk(bytes, masker);
  walk.message(SHAPES[signal]);
  return walk.edits.length === 0 ? bytes : rewrite(bytes, walk.edits);
}

/** The content of a field with a length becomes another; in order, never inside of each other. */
interface Edit {
  readonly start: number;
  readonly end: number;
  /** A text, or bytes of a message. */
  readonly content: string | Uint8Array;
}

class Walk {
  readonly edits: Edit[] = [];
  private readonly reader: Reader;
  private readonly masker: Masker;

  constructor(bytes: Uint8Array, masker: Masker) {
    this.reader = new Reader(bytes);
    this.masker = masker;
  }

  /** The fields of the message that the reader is in. */
  message({ fields, isSource }: Shape): void {
    const { reader } = this;
    if (isSource === true) this.masker.beginSource();
    while (reader.more()) {
      const tag = reader.tag();
      const field = fields[tag >>> 3];
      if (field === undefined || (tag & 7) !== LENGTH) {
        reader.skip(tag & 7);
        continue;
      }
      if (field === 'text') {
        this.text(reader.range(), PLAIN);
        continue;
      }
      const outer = reader.enter();
      if (field === 'pair') this.pair();
      else if (field === 'body') this.value(PLAIN, true);
      else if (field === 'value') this.value(PLAIN, false);
      else this.message(field);
      reader.leave(outer);
    }
  }

  /** From `start` to where the reader is. */
  private text(start: number, verdict: Verdict): void {
    const { bytes, position } = this.reader;
    const masked = this.masker.text(bytes, start, position, verdict);
    if (masked !== null) this.edit(start, position, masked);
  }

  private edit(start: number, end: number, content: Edit['content']): void {
    this.edits.push({ start, end, content });
  }

  /** `verdict` is that of a name around it: it holds for all that is inside. */
  private pair(verdict: Verdict = PLAIN): void {
    const { reader } = this;
    let keyStart = 0;
    let keyEnd = 0;
    let valueAt = -1;
    const begin = reader.position;
    while (reader.more()) {
      const tag = reader.tag();
      const at = reader.position;
      if (tag === ((1 << 3) | LENGTH)) {
        keyStart = reader.range();
        keyEnd = reader.position;
      } else {
        reader.skip(tag & 7);
        if (tag === ((2 << 3) | LENGTH)) valueAt = at;
      }
    }
    const named = this.masker.name(reader.bytes, keyStart, keyEnd);
    const inner = named.verdict === PLAIN ? verdict : named.verdict;
    const isKeyFirst = valueAt > keyStart;
    if (named.name !== null && isKeyFirst) this.edit(keyStart, keyEnd, named.name);
    if (valueAt >= begin) {
      reader.position = valueAt;
      const outer = reader.enter();
      this.value(inner, false);
      reader.leave(outer);
    }
    if (named.name !== null && !isKeyFirst) this.edit(keyStart, keyEnd, named.name);
  }

  /** The AnyValue that the reader is in. */
  private value(verdict: Verdict, isBody: boolean): void {
    const { reader } = this;
    const begin = reader.position;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | LENGTH:
        case (7 << 3) | LENGTH:
          if (isBody) this.body(reader.range());
          else this.text(reader.range(), verdict);
          break;
        case (3 << 3) | 0:
        case (4 << 3) | 1:
          this.number(tag, begin, verdict);
          break;
        case (5 << 3) | LENGTH: this.list(verdict, false); break;
        case (6 << 3) | LENGTH: this.list(verdict, true); break;
        default: reader.skipUnknown(tag, VALUE_FIELDS & ~2);
      }
    }
  }

  private body(start: number): void {
    const { bytes, position } = this.reader;
    const masked = this.masker.body(bytes, start, position);
    if (masked !== null) this.edit(start, position, masked);
  }

  /** A number that is hidden becomes a string: the whole AnyValue is another. */
  private number(tag: number, begin: number, verdict: Verdict): void {
    const { reader } = this;
    if (verdict === PLAIN) return reader.skip(tag & 7);
    const text = String(tag >>> 3 === 3 ? reader.int64() : reader.double());
    const masked = this.masker.number(text, verdict);
    if (masked === null) return;
    reader.position = reader.end;
    // Of several members of the oneof the last counts; what was noted for others goes with them.
    while ((this.edits.at(-1)?.start ?? -1) >= begin) this.edits.pop();
    const writer = new Writer(masked.length + 8);
    writer.varint32((1 << 3) | LENGTH);
    writer.string(masked);
    this.edit(begin, reader.end, writer.finish());
  }

  /** An ArrayValue or a KeyValueList. */
  private list(verdict: Verdict, isPairs: boolean): void {
    const { reader } = this;
    const list = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      if (tag !== ((1 << 3) | LENGTH)) {
        reader.skip(tag & 7);
        continue;
      }
      const outer = reader.enter();
      if (isPairs) this.pair(verdict);
      else this.value(verdict, false);
      reader.leave(outer);
    }
    reader.leave(list);
  }
}

const VALUE_FIELDS = fieldBits(1, 3, 4, 5, 6, 7);

/** The request with the edits made. */
function rewrite(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const reader = new Reader(bytes);
  const writer = new Writer(bytes.length + 1024);
  let next = 0;
  let copied = 0;
  const message = (): void => {
    while (reader.more()) {
      // Nothing more changes in this message: the rest is copied with what comes behind.
      if (next === edits.length || edits[next]!.start >= reader.end) {
        reader.position = reader.end;
        return;
      }
      const start = reader.position;
      const tag = reader.tag();
      if ((tag & 7) !== LENGTH) {
        reader.skip(tag & 7);
        continue;
      }
      const lengthAt = reader.position;
      const content = reader.range();
      const edit = edits[next]!;
      if (edit.start >= reader.position) continue;
      writer.raw(bytes, copied, start);
      if (edit.start === content && edit.end === reader.position) {
        writer.varint32(tag);
        if (typeof edit.content === 'string') writer.string(edit.content);
        else writer.blob(edit.content);
        next += 1;
      } else {
        const end = reader.position;
        const mark = writer.open(tag, lengthBytes(end - content));
        copied = content;
        reader.position = lengthAt;
        const outer = reader.enter();
        message();
        reader.leave(outer);
        writer.raw(bytes, copied, end);
        writer.close(mark);
      }
      copied = reader.position;
    }
  };
  message();
  writer.raw(bytes, copied, bytes.length);
  return writer.finish();
}

const lengthBytes = (size: number): number => (size < 0x80 ? 1 : size < 0x4000 ? 2 : 3);
