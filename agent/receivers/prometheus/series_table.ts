// What is known of the series of one target, from page to page: for each text that a sample line
// begins with, the point that it belongs to. So labels are parsed and relabelled once for each new
// series, and a page that is like the one before costs a look-up for each line.
//
// Invariants: a series is known as long as it is on the page; what was sent and is not on the next
// page ends with a point without a recorded value, once; a page that fails as a whole ends
// everything, and what comes again afterwards goes on where it was.

import type {
  DataPoint, Metric, ResourceMetrics, ScopeMetrics,
} from '../../../proto/otlp/model.ts';
import { trimSuffixes, ucumOf } from '../../../proto/prometheus/names.ts';
import { PageError, parseNumber } from '../../../proto/prometheus/series.ts';
import type { PageEntry, PageReader } from '../../../proto/prometheus/text.ts';
import { detached } from '../../../runtime/text.ts';
import { placeOf, type Families, type Family } from './families.ts';
import { createOwners, type Owners, type ResourceOwner, type ScopeOwner } from './owners.ts';
import { dataOf, isTime, Point, text, type Part, type PointKind } from './points.ts';
import type { LabelMap, Relabelling } from './relabel.ts';

export const limits = {
  /** Series of one target; a page with more fails. */
  series: 500_000,
} as const;

export interface LabelLimits {
  /** 0: no limit; also of the others. */
  readonly labels: number;
  readonly nameBytes: number;
  readonly valueBytes: number;
}

export interface TableOptions {
  readonly labels: LabelMap;
  readonly scheme: string;
  readonly externalLabels: Readonly<Record<string, string>>;
  readonly honorLabels: boolean;
  readonly honorTimestamps: boolean;
  readonly trackTimestamps: boolean;
  readonly legacyNames: boolean;
  readonly trimSuffixes: boolean;
  /** The metric that says when the process began; null: none is looked for. */
  readonly startMetric: RegExp | null;
  readonly limits: LabelLimits;
  readonly sampleLimit: number;
  readonly relabel: Relabelling;
}

export interface PageCounts {
  scraped: number;
  kept: number;
  added: number;
  /** Samples of a series that had one already. */
  duplicates: number;
  /** Samples that make no point: a bound that is no number, counts that fall. */
  invalid: number;
}

interface Series {
  /** Null: relabelling dropped it, or it is about a resource or a scope. */
  readonly point: Point | null;
  readonly part: Part;
  readonly bound: number;
  readonly family: Family | undefined;
  readonly type: string;
  /** How many families there were; one without a family looks for it when there are more. */
  readonly families: number;
  readonly dropped: boolean;
  /** For target_info and otel_scope_info. */
  readonly about: ((page: number) => void) | null;
  page: number;
}

interface Slot {
  readonly resource: ResourceOwner;
  readonly scope: ScopeOwner;
  readonly name: string;
  readonly kind: PointKind;
  family: Family | undefined;
  readonly points: Map<string, Point>;
}

export class SeriesTable {
  readonly #options: TableOptions;
  readonly #series = new Map<string, Series>();
  readonly #families: Families = new Map();
  readonly #slots = new Map<string, Slot>();
  readonly #owners: Owners;
  #familiesSeen = 0;
  #page = 0;
  #timeMs = 0;
  counts: PageCounts = NO_COUNTS();

  constructor(options: TableOptions) {
    this.#options = options;
    this.#owners = createOwners(options.labels, options.scheme);
  }

  /** A new page that was asked for at `timeMs`. */
  begin(timeMs: number): void {
    this.#page += 1;
    this.#timeMs = timeMs;
    this.counts = NO_COUNTS();
  }

  /** The line that the reader stands at. Throws PageError. */
  line(reader: PageReader, entry: Exclude<PageEntry, 'end'>): void {
    if (entry === 'sample') this.#sample(reader);
    else this.#comment(reader, entry);
  }

  /**
   * All points of the page, with `more` gauges about the scrape itself. With `ok` false the page
   * counts as empty, and nothing is forgotten.
   */
  finish(ok: boolean, more: ReadonlyMap<Report, number>): ResourceMetrics[] {
    if (!ok) this.#page += 1;
    for (const [report, value] of more) this.#report(report, value);
    const built = this.#build(ok);
    if (ok) this.#forget();
    return built;
  }

  /** Series that are known. */
  get size(): number {
    return this.#series.size;
  }

  #comment({ name, text: said }: PageReader, entry: 'type' | 'help' | 'unit'): void {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { type: 'unknown', help: '', unit: '', page: this.#page };
      this.#families.set(detached(name), family);
      this.#familiesSeen += 1;
    }
    family.page = this.#page;
    if (entry === 'type' && family.type !== said) family.type = detached(said);
    else if (entry === 'help' && family.help !== said) family.help = detached(said);
    else if (entry === 'unit' && family.unit !== said) family.unit = detached(said);
  }

  #sample(reader: PageReader): void {
    const { counts } = this;
    const page = this.#page;
    counts.scraped += 1;
    let series = this.#series.get(reader.series);
    if (series === undefined || this.#isOutdated(series)) {
      if (series === undefined) counts.added += 1;
      series = this.#learn(reader);
    }
    if (series.dropped) {
      if (series.page === 0) counts.added -= 1;
      series.page = page;
      return;
    }
    counts.kept += 1;
    if (series.page === page && reader.timestampMs === null) {
      counts.duplicates += 1;
      return;
    }
    series.page = page;
    series.about?.(page);
    const { point } = series;
    if (point === null) return;
    if (point.page !== page) point.begin(page, this.#timeMs);
    if (reader.timestampMs !== null && this.#options.honorTimestamps) {
      if (!isTime(reader.timestampMs)) {
        counts.invalid += 1;
        return;
      }
      point.timeMs = reader.timestampMs;
      point.ownTime = !this.#options.trackTimestamps;
    }
    point.add(series.part, reader.value, series.bound);
    if (reader.exemplar !== null) point.exemplar(reader.exemplar, this.#timeMs);
  }

  #isOutdated({ family, type, families, dropped }: Series): boolean {
    if (dropped) return false;
    return family === undefined ? families !== this.#familiesSeen : family.type !== type;
  }

  #learn(reader: PageReader): Series {
    if (this.#series.size >= limits.series) {
      throw new PageError(`more than ${limits.series} series`, reader.line);
    }
    // The labels, too, are parts of what is detached here.
    const written = detached(reader.series);
    reader.series = written;
    const series = this.#seriesOf(reader.labels(), reader.line);
    this.#series.set(written, series);
    return series;
  }

  #seriesOf(labels: LabelMap, line: number): Series {
    const name = labels.get('__name__')!;
    const options = this.#options;
    mergeLabels(labels, options.labels, options.honorLabels);
    const none = { point: null, part: 'value', bound: 0, family: undefined, type: '', page: 0,
      families: this.#familiesSeen, dropped: false, about: null } as const;
    if (!options.relabel(labels)) return { ...none, dropped: true };
    checkLabels(labels, options, line);
    for (const [key, value] of Object.entries(options.externalLabels)) labels.set(key, value);
    const renamed = labels.get('__name__')!;
    labels.delete('__name__');
    const owner = this.#owners.of(labels);
    if (renamed === 'target_info') {
      return { ...none, about: owner.resource.describe(labels) };
    }
    if (renamed === 'otel_scope_info') return { ...none, about: owner.scope.describe(labels) };
    const place = placeOf(name, renamed, this.#families);
    const { kind, part, family, metric } = place;
    const bound = boundOf(part, labels);
    const slot = this.#slot(owner.resource, owner.scope, metric, kind);
    slot.family = family;
    const point = bound === null ? null : pointOf(slot, labels);
    if (bound === null) this.counts.invalid += 1;
    return { ...none, point, part, bound: bound ?? 0, family, type: family?.type ?? '' };
  }

  #slot(resource: ResourceOwner, scope: ScopeOwner, name: string, kind: PointKind): Slot {
    const key = JSON.stringify([resource.key, scope.key, kind, name]);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot: Slot = { resource, scope, name, kind, family: undefined, points: new Map() };
    this.#slots.set(key, slot);
    return slot;
  }

  #report(report: Report, value: number): void {
    const labels = new Map(this.#options.labels);
    for (const [key, one] of Object.entries(this.#options.externalLabels)) labels.set(key, one);
    const { resource, scope } = this.#owners.of(labels);
    const slot = this.#slot(resource, scope, report, 'gauge');
    slot.family = { type: 'gauge', ...REPORTS[report], page: this.#page };
    const point = pointOf(slot, labels);
    point.begin(this.#page, this.#timeMs);
    point.add('value', value, 0);
  }

  #build(ok: boolean): ResourceMetrics[] {
    const startNs = this.#startNs();
    const built = new Map<ResourceOwner, Map<ScopeOwner, Metric[]>>();
    for (const [key, slot] of this.#slots) {
      const points = this.#pointsOf(slot, ok, startNs);
      if (slot.points.size === 0) this.#slots.delete(key);
      if (points.length === 0) continue;
      const scopes = built.get(slot.resource) ?? new Map<ScopeOwner, Metric[]>();
      built.set(slot.resource, scopes);
      const metrics = scopes.get(slot.scope) ?? [];
      scopes.set(slot.scope, metrics);
      metrics.push(this.#metricOf(slot, points));
    }
    return [...built].map(([resource, scopes]) => ({
      resource: resource.toResource(this.#page),
      scopeMetrics: [...scopes].map(([scope, metrics]): ScopeMetrics =>
        ({ scope: scope.toScope(this.#page), metrics, schemaUrl: scope.schemaUrl })),
      schemaUrl: '',
    }));
  }

  #pointsOf(slot: Slot, ok: boolean, startNs: bigint): DataPoint[] {
    const points: DataPoint[] = [];
    for (const [key, point] of slot.points) {
      if (point.page === this.#page) {
        const made = point.build(startNs);
        if (made === null) this.counts.invalid += 1;
        else points.push(made);
        point.live ||= made !== null;
      } else {
        if (point.live && !point.ownTime) points.push(point.end(this.#timeMs));
        point.live = false;
        if (ok) slot.points.delete(key);
      }
    }
    return points;
  }

  #metricOf({ name, kind, family }: Slot, points: readonly DataPoint[]): Metric {
    const unit = family?.unit ?? '';
    return {
      name: this.#options.trimSuffixes ? trimSuffixes(name, kind === 'counter', unit) : name,
      description: family?.help ?? '',
      unit: ucumOf(unit),
      metadata: [text('prometheus.type', family?.type ?? 'unknown')],
      data: dataOf(kind, points),
    };
  }

  /** When the process began, as a metric of the page says; 0n when none does. */
  #startNs(): bigint {
    const { startMetric } = this.#options;
    if (startMetric === null) return 0n;
    for (const { name, kind, points } of this.#slots.values()) {
      if (kind !== 'gauge' || !startMetric.test(name)) continue;
      for (const { page, value } of points.values()) {
        const known = page === this.#page && value !== null && value > 0 && isTime(value * 1000);
        if (known) return BigInt(Math.round(value * 1e6)) * 1000n;
      }
    }
    return 0n;
  }

  #forget(): void {
    for (const [key, { page }] of this.#series) if (page !== this.#page) this.#series.delete(key);
    for (const [name, { page }] of this.#families) {
      if (page !== this.#page) this.#families.delete(name);
    }
    this.#owners.forget(this.#slots.values(), this.#page);
  }
}

/** What is told about each scrape. */
export type Report = keyof typeof REPORTS;

const REPORTS = {
  up: { help: 'The scraping was successful', unit: '' },
  scrape_duration_seconds: { help: 'Duration of the scrape', unit: 'seconds' },
  scrape_samples_scraped: { help: 'The number of samples the target exposed', unit: '' },
  scrape_samples_post_metric_relabeling: {
    help: 'The number of samples remaining after metric relabeling was applied', unit: '' },
  scrape_series_added: {
    help: 'The approximate number of new series in this scrape', unit: '' },
  scrape_timeout_seconds: { help: 'The configured scrape timeout', unit: 'seconds' },
  scrape_sample_limit: { help: 'The configured sample limit', unit: '' },
  scrape_body_size_bytes: { help: 'The uncompressed size of the page', unit: 'bytes' },
} as const;

const NO_COUNTS = (): PageCounts =>
  ({ scraped: 0, kept: 0, added: 0, duplicates: 0, invalid: 0 });

function mergeLabels(labels: LabelMap, target: LabelMap, honorLabels: boolean): void {
  for (const [name, value] of target) {
    const own = labels.get(name);
    if (honorLabels && own !== undefined) continue;
    if (own !== undefined && own !== '') {
      let exported = `exported_${name}`;
      while (labels.has(exported) || target.has(exported)) exported = `exported_${exported}`;
      labels.set(exported, own);
    }
    labels.set(name, value);
  }
}

const LEGACY_METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LEGACY_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function checkLabels(labels: LabelMap, { limits: most, legacyNames }: TableOptions, line: number) {
  const fail = (why: string): never => {
    throw new PageError(why, line);
  };
  const name = labels.get('__name__');
  if (name === undefined || name === '') fail('a series without a name');
  if (most.labels > 0 && labels.size > most.labels) fail('a series has too many labels');
  if (legacyNames && !LEGACY_METRIC.test(name!)) fail('a name that is not a legacy name');
  for (const [label, value] of labels) {
    if (legacyNames && !LEGACY_LABEL.test(label)) fail('a label that is not a legacy name');
    if (most.nameBytes > 0 && Buffer.byteLength(label) > most.nameBytes) {
      fail('the name of a label is too long');
    }
    if (most.valueBytes > 0 && Buffer.byteLength(value) > most.valueBytes) {
      fail('the value of a label is too long');
    }
  }
}

/** Of a bucket or quantile, which the label then is no longer; null when it is not a number. */
function boundOf(part: Part, labels: LabelMap): number | null {
  if (part !== 'bucket' && part !== 'quantile') return 0;
  const label = part === 'bucket' ? 'le' : 'quantile';
  const bound = parseNumber(labels.get(label) ?? '');
  labels.delete(label);
  return bound === null || Number.isNaN(bound) ? null : bound;
}

function pointOf(slot: Slot, labels: LabelMap): Point {
  const pairs = [...labels]
    .filter(([name, value]) => value !== '' && name !== 'job' && name !== 'instance'
      && !name.startsWith('otel_scope_'))
    .sort(([one], [two]) => (one < two ? -1 : 1));
  const key = JSON.stringify(pairs);
  const known = slot.points.get(key);
  if (known !== undefined) return known;
  const point = new Point(slot.kind, pairs.map(([name, value]) => text(name, value)));
  slot.points.set(key, point);
  return point;
}
