// Counters, gauges and their exposition as text for Prometheus (text format 0.0.4). What each
// process knows about itself is kept here and shown under /metrics.

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(count: number): void;
  value(): number;
}

/** One number at one moment. */
export interface Series {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: Labels;
  readonly value: number;
}

export interface Counters {
  /** The counter of this name and these labels; the same one is returned for the same pair. */
  counter(name: string, help: string, labels?: Labels): Counter;
  /** A number that `read` gives whenever somebody looks. A second registration replaces it. */
  gauge(name: string, help: string, read: () => number, labels?: Labels): void;
  /** As `gauge`, for a number that only grows and is counted elsewhere: CPU time, restarts. */
  counterFrom(name: string, help: string, read: () => number, labels?: Labels): void;
  /** Gauges of one name whose labels come and go: `read` gives those that there are. */
  gauges(name: string, help: string, read: () => Iterable<readonly [Labels, number]>): void;
  /** The same counters, for one who may go before the process does. */
  scope(): ScopedCounters;
  /** Everything, sorted by name. */
  series(): Series[];
  /** Everything, sorted by name, as Prometheus text. */
  exposition(): string;
  /** The sum of all series of that name, 0 if there is none; for tests and status pages. */
  total(name: string, labels?: Labels): number;
}

export interface ScopedCounters extends Counters {
  /** Takes back the numbers that are read from whoever registered them here; counters stay. */
  release(): void;
}

/** More series than this of one name are summed in the series without labels. */
const SERIES_MAX = 1000;

interface Family {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly series: Map<string, { labels: Labels; read: () => number; counter?: Counter }>;
  /** Series that are not registered one by one. */
  readonly others: Set<() => Iterable<readonly [Labels, number]>>;
}

export function createCounters(): Counters {
  const families = new Map<string, Family>();
  const family = (name: string, type: Family['type'], help: string): Family => {
    const known = families.get(name);
    if (known !== undefined) return known;
    const created: Family = { type, help, series: new Map(), others: new Set() };
    families.set(name, created);
    return created;
  };
  const counters: Counters = {
    counter: (name, help, labels = {}) => {
      const { series } = family(name, 'counter', help);
      const kept = series.size >= SERIES_MAX && !series.has(labelText(labels)) ? {} : labels;
      const key = labelText(kept);
      const known = series.get(key)?.counter;
      if (known !== undefined) return known;
      const counter = createCounter();
      series.set(key, { labels: kept, read: counter.value, counter });
      return counter;
    },
    gauge: (name, help, read, labels = {}) => {
      family(name, 'gauge', help).series.set(labelText(labels), { labels, read });
    },
    counterFrom: (name, help, read, labels = {}) => {
      family(name, 'counter', help).series.set(labelText(labels), { labels, read });
    },
    gauges: (name, help, read) => void family(name, 'gauge', help).others.add(read),
    scope: () => createScope(counters, families),
    series: () => [...families.keys()].sort().flatMap((name) => {
      const { type, help, ...rest } = families.get(name)!;
      return readingsOf(rest).map(([labels, value]) => ({ name, help, type, labels, value }));
    }),
    exposition: () => [...families.keys()].sort().map((name) =>
      familyText(name, families.get(name)!)).join(''),
    total: (name, labels = {}) => {
      const series = [...(families.get(name)?.series.values() ?? [])];
      const wanted = Object.entries(labels);
      return series
        .filter((one) => wanted.every(([key, value]) => one.labels[key] === value))
        .reduce((sum, one) => sum + one.read(), 0);
    },
  };
  return counters;
}

function createScope(counters: Counters, families: Map<string, Family>): ScopedCounters {
  const taken: (() => void)[] = [];
  const keep = (name: string, read: () => number, labels: Labels) => void taken.push(() => {
    const series = families.get(name)?.series;
    // Another one may have taken its place.
    if (series?.get(labelText(labels))?.read === read) series.delete(labelText(labels));
  });
  return {
    ...counters,
    gauge: (name, help, read, labels = {}) => {
      counters.gauge(name, help, read, labels);
      keep(name, read, labels);
    },
    counterFrom: (name, help, read, labels = {}) => {
      counters.counterFrom(name, help, read, labels);
      keep(name, read, labels);
    },
    gauges: (name, help, read) => {
      counters.gauges(name, help, read);
      taken.push(() => void families.get(name)?.others.delete(read));
    },
    release: () => {
      for (const take of taken.splice(0)) take();
    },
  };
}

function createCounter(): Counter {
  let total = 0;
  return {
    add: (count) => {
      total += count;
    },
    value: () => total,
  };
}

function readingsOf({ series, others }: Pick<Family, 'series' | 'others'>): [Labels, number][] {
  const registered = [...series.values()].map(({ labels, read }): [Labels, number] =>
    [labels, read()]);
  return [...registered, ...[...others].flatMap((read) =>
    [...read()].map(([labels, value]): [Labels, number] => [labels, value]))];
}

function familyText(name: string, { type, help, ...rest }: Family): string {
  const lines = readingsOf(rest)
    .map(([labels, value]) => `${name}${labelText(labels)} ${numberText(value)}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.keys(labels).sort().map((key) => `${key}="${escapeLabel(labels[key]!)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
