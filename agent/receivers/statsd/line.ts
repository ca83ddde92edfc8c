// One line of StatsD, with what DogStatsD adds:
//
//   name:value|type[|@rate][|#tag:value,tag:value][|c:container][|Tseconds]
//   name:value:value:value|type…
//
// Types: c counter, g gauge (a sign in front changes it by so much), ms timing, h histogram,
// d distribution. Sets (`s`) have no metric in OTLP, and events (`_e`) and service checks (`_sc`)
// are none. The external data of `e:` and the wish of `card:` are passed over.

export type StatsdType = 'counter' | 'gauge' | 'timing' | 'histogram' | 'distribution';

export interface StatsdLine {
  readonly name: string;
  readonly type: StatsdType;
  readonly values: readonly number[];
  /** For a gauge: it is added, not set. */
  readonly relative: boolean;
  /** Of how many of these one was sent: 1 for all of them. */
  readonly each: number;
  /** Sorted by name. */
  readonly tags: readonly (readonly [string, string])[];
  /** Nanoseconds since the Unix epoch; 0n when it has none. */
  readonly timeNs: bigint;
}

export type BadLine = 'malformed' | 'unsupported type' | 'simple tag' | 'not a number';

export interface LineOptions {
  readonly simpleTags: boolean;
  readonly metricType: boolean;
}

const TYPES: ReadonlyMap<string, StatsdType> = new Map([
  ['c', 'counter'], ['g', 'gauge'], ['ms', 'timing'], ['h', 'histogram'], ['d', 'distribution'],
]);

/** What is wrong with it, or the line. */
export function parseLine(line: string, options: LineOptions): StatsdLine | BadLine {
  if (line.startsWith('_e{') || line.startsWith('_sc|')) return 'unsupported type';
  const [head = '', sign, ...parts] = line.split('|');
  const colon = head.indexOf(':');
  if (sign === undefined || colon <= 0) return 'malformed';
  const type = TYPES.get(sign);
  if (type === undefined) return sign === 's' ? 'unsupported type' : 'malformed';
  const written = head.slice(colon + 1);
  const values = written.split(':').map(numberOf);
  if (values.some(Number.isNaN)) return 'not a number';
  const more = partsOf(parts, type, options);
  if (typeof more === 'string') return more;
  if (options.metricType) more.tags.set('metric_type', type);
  const tags = [...more.tags].sort(([one], [two]) => (one < two ? -1 : 1));
  return {
    name: head.slice(0, colon), type, values, tags, each: more.each, timeNs: more.timeNs,
    relative: type === 'gauge' && /^[+-]/.test(written),
  };
}

/** NaN also for what is infinite. */
function numberOf(text: string): number {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return NaN;
  const value = Number(text);
  return Number.isFinite(value) ? value : NaN;
}

/** A smaller rate would stand for more values than can be counted. */
const RATE_MIN = 1e-9;

interface Parts {
  each: number;
  readonly tags: Map<string, string>;
  timeNs: bigint;
}

function partsOf(
  parts: readonly string[],
  type: StatsdType,
  { simpleTags }: LineOptions,
): Parts | BadLine {
  const found: Parts = { each: 1, tags: new Map(), timeNs: 0n };
  for (const part of parts) {
    if (part.startsWith('@')) {
      const rate = numberOf(part.slice(1));
      if (!(rate >= RATE_MIN)) return 'not a number';
      found.each = rate < 1 ? 1 / rate : 1;
    } else if (part.startsWith('#')) {
      const bad = addTags(part.slice(1), found.tags, simpleTags);
      if (bad !== null) return bad;
    } else if (part.startsWith('c:')) {
      if (part.length > 2) found.tags.set('container.id', part.slice(2));
    } else if (part.startsWith('T')) {
      const right = /^T\d{1,10}$/.test(part) && (type === 'counter' || type === 'gauge');
      if (!right) return 'malformed';
      found.timeNs = BigInt(part.slice(1)) * 1_000_000_000n;
    } else if (!part.startsWith('e:') && !part.startsWith('card:') && part !== '') {
      return 'malformed';
    }
  }
  return found;
}

function addTags(text: string, tags: Map<string, string>, simple: boolean): BadLine | null {
  for (const tag of text.split(',')) {
    if (tag === '') continue;
    const colon = tag.indexOf(':');
    if (colon === 0) return 'malformed';
    const bare = colon === -1 || colon === tag.length - 1;
    if (bare && !simple) return 'simple tag';
    tags.set(colon === -1 ? tag : tag.slice(0, colon), colon === -1 ? '' : tag.slice(colon + 1));
  }
  return null;
}
