// Reads JSON text value by value, as RFC 8259 defines it, without building a tree: who reads says
// what it expects next. It knows nothing of OTLP.
//
//   reader.object();
//   for (let key = reader.key(); key !== undefined; key = reader.key()) {
//     if (key === 'name') name = reader.string();
//     else reader.skip();
//   }
//
// Why not JSON.parse: it makes every number a double, so that 1544712660300000001 arrives as
// …000, and Node 20 has no way to see the text of a number. Here numbers are handed out as text.
// A key is only ever compared, never set on an object, so `__proto__` is a key like any other.
//
// Invariants:
// - Broken input raises DecodeError with the character offset and the path of the value being read.
// - Nesting is bounded by `limits`, also in values that are skipped.
// - Strings are well-formed Unicode: half of a surrogate pair becomes U+FFFD.

import { DecodeError } from '../protobuf/error.ts';

export const limits = {
  /** Objects in objects, the outermost included. As deep as protobuf: a message and 100 in it. */
  objectDepthMax: 101,
  /** Objects and arrays in each other. Deeper input is refused with DecodeError. */
  depthMax: 202,
} as const;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LONE_SURROGATE =
  /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

export class JsonReader {
  private readonly text: string;
  private position = 0;
  /** For each object and array that is open: the key or index of the value being read. */
  private readonly path: Array<string | number> = [];
  private objectDepth = 0;
  /** Nothing has been read of the object or array that was opened last. */
  private atFirst = false;

  /** Bytes are UTF-8; what of them is invalid becomes U+FFFD. */
  constructor(input: string | Uint8Array) {
    this.text = typeof input === 'string' ? input : Buffer.from(
      input.buffer, input.byteOffset, input.byteLength,
    ).toString('utf8');
  }

  /** Enters an object. */
  object(): void {
    this.open(OPEN_BRACE, 'an object', '');
    if (++this.objectDepth > limits.objectDepthMax) this.fail('nested too deep');
  }

  /** The next key of the object, whose value must then be read; undefined: it is left. */
  key(): string | undefined {
    if (!this.next(CLOSE_BRACE)) {
      this.objectDepth--;
      return undefined;
    }
    const key = this.string();
    this.path[this.path.length - 1] = key;
    if (this.peek() !== COLON) this.fail("expected ':'");
    this.position++;
    return key;
  }

  /** Enters an array. */
  array(): void {
    this.open(OPEN_BRACKET, 'an array', -1);
  }

  /** Whether the array has another value, which must then be read; if not, it is left. */
  item(): boolean {
    if (!this.next(CLOSE_BRACKET)) return false;
    (this.path[this.path.length - 1] as number)++;
    return true;
  }

  /** Reads `null` if it is next. */
  null(): boolean {
    if (this.peek() !== 0x6e) return false;
    this.word('null');
    return true;
  }

  boolean(): boolean {
    const first = this.peek();
    if (first === 0x74) this.word('true');
    else if (first === 0x66) this.word('false');
    else this.fail('expected true or false');
    return first === 0x74;
  }

  /** Whether a string is next. */
  isString(): boolean {
    return this.peek() === QUOTE;
  }

  string(): string {
    if (this.peek() !== QUOTE) this.fail('expected a string');
    const { text } = this;
    const start = this.position + 1;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.position = at + 1;
        return text.slice(start, at);
      }
      if (code === BACKSLASH) return this.escapedString(at);
      if (code < 0x20) this.fail('control character in a string');
    }
    return this.fail('string without an end');
  }

  /** A number as it is written. */
  number(): string {
    this.peek();
    NUMBER.lastIndex = this.position;
    const match = NUMBER.exec(this.text);
    if (match === null) return this.fail('expected a number');
    this.position = NUMBER.lastIndex;
    return match[0];
  }

  /** Moves over a value of any kind, which must be correct all the same. */
  skip(): void {
    const first = this.peek();
    if (first === OPEN_BRACE) {
      this.object();
      while (this.key() !== undefined) this.skip();
    } else if (first === OPEN_BRACKET) {
      this.array();
      while (this.item()) this.skip();
    } else if (first === QUOTE) this.string();
    else if (first === 0x74 || first === 0x66) this.boolean();
    else if (!this.null()) this.number();
  }

  /** Makes sure that nothing follows the value that was read. */
  end(): void {
    this.peek();
    if (this.position < this.text.length) this.fail('text after the value');
  }

  /** Refuses the value being read. */
  fail(cause: string): never {
    const path = this.path
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
      .join('')
      .replace(/^\./, '');
    throw new DecodeError('JSON', cause, { offset: this.position, path });
  }

  /** Moves to the next character that is not white space, and answers it; NaN at the end. */
  private peek(): number {
    const { text } = this;
    let code = text.charCodeAt(this.position);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      code = text.charCodeAt(++this.position);
    }
    return code;
  }

  private open(bracket: number, what: string, step: string | number): void {
    if (this.peek() !== bracket) this.fail(`expected ${what}`);
    if (this.path.length >= limits.depthMax) this.fail('nested too deep');
    this.position++;
    this.path.push(step);
    this.atFirst = true;
  }

  /** Moves over the comma before the next key or item, or over the closing bracket. */
  private next(bracket: number): boolean {
    const code = this.peek();
    const { atFirst } = this;
    this.atFirst = false;
    if (code === bracket) {
      this.position++;
      this.path.pop();
      return false;
    }
    if (atFirst) return true;
    if (code !== COMMA) this.fail(`expected ',' or '${String.fromCharCode(bracket)}'`);
    this.position++;
    return true;
  }

  private word(word: string): void {
    if (!this.text.startsWith(word, this.position)) this.fail(`expected ${word}`);
    this.position += word.length;
  }

  /** A string with a backslash at `at`. */
  private escapedString(at: number): string {
    const { text } = this;
    let end = at;
    while (end < text.length && text.charCodeAt(end) !== QUOTE) {
      end += text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    }
    if (end >= text.length) this.fail('string without an end');
    const raw = text.slice(this.position, end + 1);
    const value = parseString(raw);
    if (value === null) return this.fail('broken escape in a string');
    this.position = end + 1;
    return LONE_SURROGATE.test(value) ? Buffer.from(value).toString() : value;
  }
}

function parseString(raw: string): string | null {
  try {
    return JSON.parse(raw) as string;
  } catch {
    return null;
  }
}
