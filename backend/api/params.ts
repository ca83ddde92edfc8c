// Values of a statement's parameters as ClickHouse reads them. A parameter arrives as JSON or as
// text, and what it means depends on the type that the statement declares in `{name:Type}`:
//
//   JSON array → Array or Tuple         true, false → Bool, or 1 and 0 for a number
//   JSON object → Map, Tuple or JSON    ISO 8601 with Z or an offset → that instant
//   text for an Array, Tuple or Map → taken as ClickHouse's own literal, such as ['a','b']
//
// Invariant: what is made here is one value of that type or is refused by ClickHouse; it is never a
// part of the statement.

export const limits = {
  /** Arrays and objects inside each other; more is refused. */
  depthMax: 64,
  /** Encoded characters of all parameters together: they travel in a URL. More is refused. */
  encodedCharactersMax: 900 * 1024,
  /** A type with a longer text counts as unknown: ClickHouse then says what it thinks of it. */
  typeCharactersMax: 1000,
} as const;

/** What is wrong with a parameter, for its sender. */
export class ParamError extends Error {}

/** The parameters as ClickHouse's escaped text, by `param_<name>`. Throws ParamError. */
export function paramTexts(
  sql: string,
  params: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const types = declaredTypes(sql);
  let characters = 0;
  return Object.fromEntries(Object.entries(params).map(([name, value]) => {
    if (!NAME.test(name)) throw new ParamError(`'${name.slice(0, 100)}' is no name of a parameter`);
    const text = paramText(value, types.get(name) ?? '', name);
    characters += encodedLength(text);
    if (characters > limits.encodedCharactersMax) {
      const most = limits.encodedCharactersMax;
      throw new ParamError(`the parameters have more than ${most} characters when URL-encoded`);
    }
    return [`param_${name}`, text];
  }));
}

const NAME = /^[A-Za-z_]\w{0,120}$/;
const PLACEHOLDER = /\{\s*([A-Za-z_]\w*)\s*:([^{}]*)\}/g;

/** The types behind `{name:Type}`; one that stands in a comment or in quotes does no harm. */
function declaredTypes(sql: string): ReadonlyMap<string, string> {
  return new Map([...sql.matchAll(PLACEHOLDER)]
    .filter(([, , type]) => type!.length <= limits.typeCharactersMax)
    .map(([, name, type]) => [name!, type!.trim()]));
}

function encodedLength(text: string): number {
  const plain = text.length - (text.match(ENCODED)?.length ?? 0);
  return plain + 3 * (Buffer.byteLength(text) - plain);
}

const ENCODED = /[^A-Za-z0-9*._-]/g;

interface Type {
  readonly name: string;
  readonly args: readonly string[];
}

const BARE = /^(?:U?Int\d+|Float\d+|BFloat16|Decimal\d*|Bool)$/;
const COMPOSITE = /^(?:Array|Tuple|Map|Nested|Point|Ring|LineString|Polygon|Multi\w+)$/;

function paramText(value: unknown, declared: string, name: string): string {
  if (value === null) return '\\N';
  const type = typeOf(declared);
  if (typeof value === 'string' && COMPOSITE.test(type.name)) return value;
  if (typeof value === 'object' && type.name !== 'JSON') return literal(value, declared, name, 0);
  return escaped(leafText(value, type, name));
}

/** A value inside of an array, tuple or map, where texts stand in quotes. */
function literal(value: unknown, declared: string, name: string, depth: number): string {
  if (depth > limits.depthMax) throw new ParamError(`parameter ${name} is nested too deeply`);
  if (value === null) return 'NULL';
  const type = typeOf(declared);
  const inner = (item: unknown, itemType: string | undefined) =>
    literal(item, itemType ?? '', name, depth + 1);
  if (typeof value === 'object' && type.name !== 'JSON') {
    return Array.isArray(value) ? listText(value, type, inner) : mapText(value, type, inner);
  }
  const text = leafText(value, type, name);
  const bare = type.name === '' ? typeof value !== 'string' : BARE.test(type.name);
  return bare && /^[-+.\w]+$/.test(text) ? text : `'${escaped(text)}'`;
}

type Inner = (item: unknown, type: string | undefined) => string;

function listText(items: readonly unknown[], { name, args }: Type, inner: Inner): string {
  if (name === 'Point') return `(${items.map((item) => inner(item, 'Float64')).join(',')})`;
  if (name !== 'Tuple') return `[${items.map((item) => inner(item, args[0])).join(',')}]`;
  return `(${items.map((item, index) => inner(item, elementOf(args[index]).type)).join(',')})`;
}

function mapText(value: object, { name, args }: Type, inner: Inner): string {
  const entries = Object.entries(value);
  if (name === 'Tuple') {
    const byKey = new Map(entries);
    const items = args.map((text) => elementOf(text))
      .map(({ key, type }) => inner(byKey.get(key) ?? null, type));
    return `(${items.join(',')})`;
  }
  return `{${entries.map(([key, item]) =>
    `${inner(key, args[0])}:${inner(item, args[1])}`).join(',')}}`;
}

/** An element of a tuple, which may have a name: `a UInt8`. */
function elementOf(text = ''): { readonly key: string; readonly type: string } {
  const [, key, type] = /^(?:[`"]?(\w+)[`"]?\s+)?(.*)$/s.exec(text)!;
  return { key: key ?? '', type: type! };
}

function leafText(value: unknown, type: Type, name: string): string {
  if (typeof value === 'boolean') return booleanText(value, type);
  if (typeof value === 'number') return numberText(value, type, name);
  if (typeof value === 'string') {
    return type.name.startsWith('DateTime') ? instantText(value, type) : value;
  }
  return JSON.stringify(value);
}

const booleanText = (value: boolean, { name }: Type): string =>
  BARE.test(name) && name !== 'Bool' ? String(Number(value)) : String(value);

/** JSON numbers beyond 2^53 have lost digits before anybody could look at them. */
function numberText(value: number, type: Type, name: string): string {
  const rounded = Number.isInteger(value) && !Number.isSafeInteger(value);
  if (rounded && !/^B?Float/.test(type.name)) {
    throw new ParamError(`parameter ${name} is too large for a JSON number; write it as text`);
  }
  return String(value);
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:[.,](\d+))?(?:Z|[+-]\d\d:?\d\d)$/i;
const SECONDS_DIGITS = 10;

/**
 * ISO 8601 with a zone as seconds since the epoch, which mean the same in every zone. All else is
 * left to ClickHouse, instants before 1970 too: it takes short and negative numbers for a year.
 */
function instantText(text: string, { name, args }: Type): string {
  const match = ISO.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(text.replace(',', '.'));
  if (Number.isNaN(ms) || ms < 0) return text;
  const seconds = String(Math.floor(ms / 1000)).padStart(SECONDS_DIGITS, '0');
  if (name === 'DateTime') return seconds;
  const scale = args[0] === undefined ? 3 : Number(args[0]);
  const fraction = (match![1] ?? '').slice(0, scale);
  return fraction === '' ? seconds : `${seconds}.${fraction}`;
}

function escaped(text: string): string {
  return text.replace(/[\t\n\r\\'\0]/g, (character) => ESCAPES[character]!);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\t': '\\t', '\n': '\\n', '\r': '\\r', '\\': '\\\\', "'": "\\'", '\0': '\\0',
};

const WRAPPED = /^\s*(?:Nullable|LowCardinality)\s*\((.*)\)\s*$/s;
const WRAPPERS_MAX = 4;

function typeOf(text: string): Type {
  let inside = text.trim();
  for (let wrappers = 0; wrappers < WRAPPERS_MAX; wrappers += 1) {
    inside = WRAPPED.exec(inside)?.[1]?.trim() ?? inside;
  }
  const open = inside.indexOf('(');
  if (open === -1) return { name: inside, args: [] };
  const close = inside.lastIndexOf(')');
  const args = splitArguments(inside.slice(open + 1, close === -1 ? undefined : close));
  return { name: inside.slice(0, open).trim(), args };
}

/** Cuts at the commas outside of brackets and quotes. */
function splitArguments(text: string): string[] {
  const parts = [''];
  let depth = 0;
  let quoted = false;
  for (const character of text) {
    if (character === "'") quoted = !quoted;
    if (!quoted && character === '(') depth += 1;
    if (!quoted && character === ')') depth -= 1;
    if (character === ',' && depth === 0 && !quoted) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}
