// Proves how pages become OTLP metrics, page after page of one target: kinds, start times and
// resets, resources and scopes, the end of series, limits. Pages are written out, time is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  compileRelabelling, relabelRules,
} from '../../../../agent/receivers/prometheus/relabel.ts';
import {
  SeriesTable, type TableOptions,
} from '../../../../agent/receivers/prometheus/series_table.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import type { Attributes, DataPoint, Metric } from '../../../../proto/otlp/model.ts';
import { PageReader, type PageFormat } from '../../../../proto/prometheus/text.ts';

const OPTIONS: TableOptions = {
  labels: new Map([['job', 'app'], ['instance', 'host.example:90'], ['zone', 'a']]),
  scheme: 'http',
  externalLabels: {},
  honorLabels: false,
  honorTimestamps: true,
  trackTimestamps: false,
  legacyNames: false,
  trimSuffixes: false,
  startMetric: null,
  limits: { labels: 0, nameBytes: 0, valueBytes: 0 },
  sampleLimit: 0,
  relabel: () => true,
};

type Told = Record<string, unknown>;

interface Seen {
  readonly resource: Record<string, unknown>;
  readonly scope: string;
  readonly scopeAttributes: Record<string, unknown>;
  readonly metric: Metric;
}

/** Reads pages one after the other, 10 s apart, the first at second 10. */
function target(options: Partial<TableOptions> = {}, format: PageFormat = 'text') {
  const table = new SeriesTable({ ...OPTIONS, ...options });
  let seconds = 0;
  const finish = (ok: boolean): Seen[] => {
    const resourceMetrics = table.finish(ok, new Map([['up', ok ? 1 : 0]]));
    // Whatever is built can be sent.
    void Batch.fromRequest('metrics', { resourceMetrics }).bytes;
    return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
      scopeMetrics.flatMap(({ scope, metrics }) => metrics.map((metric): Seen => ({
        resource: plain(resource!.attributes), scope: scope!.name,
        scopeAttributes: plain(scope!.attributes), metric,
      })))).filter(({ metric }) => metric.name !== 'up');
  };
  return {
    table,
    page: (page: string): Seen[] => {
      seconds += 10;
      table.begin(seconds * 1000);
      const whole = format === 'text' ? page : `${page}# EOF\n`;
      const reader = new PageReader(whole, format);
      for (let entry = reader.next(); entry !== 'end'; entry = reader.next()) {
        table.line(reader, entry);
      }
      return finish(true);
    },
    failed: (): Seen[] => {
      seconds += 10;
      table.begin(seconds * 1000);
      return finish(false);
    },
  };
}

const plain = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.value]));

/** The points of a metric, with times in seconds and bigints as numbers. */
function points(seen: readonly Seen[], name: string): Record<string, unknown>[] {
  return seen.filter(({ metric }) => metric.name === name)
    .flatMap(({ metric }) => metric.data!.dataPoints as readonly DataPoint[]).map((point) => {
      const { attributes, startTimeUnixNano, timeUnixNano, ...rest } = point;
      const labels = plain(attributes);
      delete labels['zone'];
      const told = JSON.parse(JSON.stringify({ ...rest, labels,
        start: seconds(startTimeUnixNano), time: seconds(timeUnixNano) },
      (_, value) => (typeof value === 'bigint' ? Number(value) : value))) as Told;
      if (told['flags'] === 0) delete told['flags'];
      if (JSON.stringify(told['exemplars']) === '[]') delete told['exemplars'];
      if (JSON.stringify(told['labels']) === '{}') delete told['labels'];
      const value = told['value'] as { value?: number } | undefined;
      return value === undefined ? told : { ...told, value: value.value };
    });
}

const seconds = (ns: bigint): number => Number(ns) / 1e9;

const named = (seen: readonly Seen[], name: string): Seen =>
  seen.find(({ metric }) => metric.name === name)!;

test('series: gauges, unknown ones and counters', () => {
  const { page } = target();
  const first = page('# HELP g What.\n# TYPE g gauge\ng{b="2",a="1",c=""} 5\nu 6\n'
    + '# TYPE c_total counter\nc_total 7\n');
  const labels = { a: '1', b: '2' };
  assert.deepEqual(points(first, 'g'), [{ value: 5, labels, start: 0, time: 10 }]);
  const { metric, resource, scope } = named(first, 'g');
  assert.equal(metric.description, 'What.');
  assert.equal(metric.data!.type, 'gauge');
  assert.deepEqual(plain(metric.metadata), { 'prometheus.type': 'gauge' });
  assert.equal(scope, 'binnacle/agent/prometheus');
  assert.deepEqual(resource, { 'service.name': 'app', 'service.instance.id': 'host.example:90',
    'server.address': 'host.example', 'server.port': '90', 'url.scheme': 'http' });
  assert.deepEqual(plain(metric.data!.dataPoints[0]!.attributes), { a: '1', b: '2', zone: 'a' });
  assert.deepEqual(plain(named(first, 'u').metric.metadata), { 'prometheus.type': 'unknown' });
  assert.deepEqual(points(first, 'c_total'), [{ value: 7, start: 10, time: 10 }]);
  const { data } = named(first, 'c_total').metric;
  assert.ok(data?.type === 'sum' && data.isMonotonic && data.aggregationTemporality === 2);
  const rest = page('# TYPE c_total counter\nc_total 9\n');
  assert.deepEqual(points(rest, 'c_total'), [{ value: 9, start: 10, time: 20 }]);
});

test('series: a counter that falls begins anew', () => {
  const { page } = target();
  const counter = (value: number) =>
    points(page(`# TYPE c_total counter\nc_total ${value}\n`), 'c_total')[0];
  assert.deepEqual(counter(7), { value: 7, start: 10, time: 10 });
  assert.deepEqual(counter(3), { value: 3, start: 20, time: 20 });
  assert.deepEqual(counter(3), { value: 3, start: 20, time: 30 });
});

test('series: _created says when a sum began, in OpenMetrics', () => {
  const { page } = target({}, 'openmetrics');
  const head = '# TYPE c counter\n# UNIT c_seconds \n';
  const first = page(`${head}c_total{a="1"} 7\nc_created{a="1"} 5.5\n# TYPE h histogram\n`
    + 'h_bucket{le="+Inf"} 1\nh_count 1\nh_sum 2\nh_created 4\n');
  const [created] = points(first, 'c_total');
  assert.deepEqual(created, { value: 7, labels: { a: '1' }, start: 5.5, time: 10 });
  assert.equal(points(first, 'c_created').length, 0);
  assert.equal(points(first, 'h')[0]!['start'], 4);
});

test('series: histograms have buckets of their own counts', () => {
  const { page } = target();
  const seen = page('# TYPE h histogram\nh_bucket{le="1",p="x"} 2\nh_bucket{le="+Inf",p="x"} 7\n'
    + 'h_bucket{le="2.5",p="x"} 5\nh_sum{p="x"} 12.5\nh_count{p="x"} 7\n'
    + 'h_bucket{le="1",p="y"} 0\nh_bucket{le="+Inf",p="y"} 3\n');
  const head = { start: 10, time: 10 };
  assert.deepEqual(points(seen, 'h'), [
    { ...head, labels: { p: 'x' }, count: 7, sum: 12.5, bucketCounts: [2, 3, 2],
      explicitBounds: [1, 2.5] },
    { ...head, labels: { p: 'y' }, count: 3, bucketCounts: [0, 3], explicitBounds: [1] },
  ]);
  const again = page('# TYPE h histogram\nh_bucket{le="1",p="x"} 0\nh_bucket{le="+Inf",p="x"} 1\n'
    + 'h_sum{p="x"} 1\nh_count{p="x"} 1\n');
  assert.equal(points(again, 'h')[0]!['start'], 20);
});

test('series: histograms that cannot be are left out and counted', () => {
  for (const bad of ['h_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_count 2\n',
    'h_bucket{le="1"} NaN\nh_count 2\n', 'h_bucket{le="1"} 1\nh_bucket{le="1.0"} 1\nh_count 2\n',
    'h_bucket{le="1"} -1\nh_count 2\n', 'h_count 1e300\n', 'h_count NaN\n', 'h_sum 1\n']) {
    const { page, table } = target();
    assert.deepEqual(points(page(`# TYPE h histogram\n${bad}`), 'h'), [], bad);
    assert.equal(table.counts.invalid, 1, bad);
  }
  const { page, table } = target();
  page('# TYPE h histogram\nh_bucket{le="x"} 1\nh_bucket 2\nh_count 2\n');
  assert.equal(table.counts.invalid, 2);
});

test('series: summaries', () => {
  const { page } = target();
  const seen = page('# TYPE s summary\ns{quantile="0.9"} 3\ns{quantile="0.5"} 2\n'
    + 's_sum 8\ns_count 4\n');
  assert.deepEqual(points(seen, 's'), [{ start: 10, time: 10, count: 4, sum: 8,
    quantileValues: [{ quantile: 0.5, value: 2 }, { quantile: 0.9, value: 3 }] }]);
});

test('series: info, state sets and gauge histograms of OpenMetrics', () => {
  const { page } = target({}, 'openmetrics');
  const seen = page('# TYPE b info\nb_info{v="1"} 1\n# TYPE s stateset\ns{s="on"} 1\n'
    + '# TYPE g gaugehistogram\ng_bucket{le="+Inf"} 4\ng_gcount 4\ng_gsum 5\n');
  for (const name of ['b_info', 's']) {
    const { data } = named(seen, name).metric;
    assert.ok(data?.type === 'sum' && !data.isMonotonic, name);
  }
  const [bucket] = points(seen, 'g_bucket');
  assert.deepEqual(bucket, { value: 4, labels: { le: '+Inf' }, start: 0, time: 10 });
  assert.equal(named(seen, 'g_gcount').metric.data!.type, 'gauge');
});

test('series: units become UCUM, and names are trimmed when that is asked for', () => {
  const lines = '# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total 1\n';
  assert.equal(named(target({}, 'openmetrics').page(lines), 'c_seconds_total').metric.unit, 's');
  const trimmed = target({ trimSuffixes: true }, 'openmetrics').page(lines);
  assert.equal(named(trimmed, 'c').metric.unit, 's');
});

test('series: exemplars', () => {
  const { page } = target({}, 'openmetrics');
  const trace = '0123456789abcdef0123456789abcdef';
  const seen = page(`# TYPE c counter\nc_total 1 # {trace_id="${trace}",`
    + 'span_id="0123456789abcdef",user="u"} 0.5 9\n');
  assert.deepEqual(points(seen, 'c_total')[0]!['exemplars'], [{
    filteredAttributes: [{ key: 'user', value: { type: 'string', value: 'u' } }],
    timeUnixNano: 9_000_000_000, value: { type: 'double', value: 0.5 },
    spanId: '0123456789abcdef', traceId: trace,
  }]);
});

test('series: what is gone ends once, and may come again', () => {
  const { page, table } = target();
  const lines = '# TYPE c_total counter\nc_total 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\n'
    + 'h_count 1\nh_sum 1\n# TYPE s summary\ns_count 1\ns_sum 1\n';
  page(`g 1\n${lines}`);
  assert.equal(table.size, 7);
  const ended = page('x 1\n');
  for (const name of ['g', 'c_total', 'h', 's']) {
    const [point, ...others] = points(ended, name);
    assert.equal(point!['flags'], 1, name);
    assert.equal(point!['time'], 20, name);
    assert.equal(others.length, 0);
  }
  assert.equal(points(ended, 'c_total')[0]!['start'], 10);
  assert.equal(table.size, 1);
  assert.deepEqual(page('x 1\n').map(({ metric }) => metric.name), ['x']);
  assert.deepEqual(points(page(`x 1\n${lines}`), 'c_total'), [{ value: 1, start: 40, time: 40 }]);
});

test('series: a scrape that fails ends all, and what comes again goes on', () => {
  const { page, failed } = target();
  const lines = '# TYPE c_total counter\nc_total 5\n';
  page(lines);
  assert.deepEqual(points(failed(), 'c_total'), [{ flags: 1, start: 10, time: 20 }]);
  assert.deepEqual(failed(), []);
  assert.deepEqual(points(page(lines), 'c_total'), [{ value: 5, start: 10, time: 40 }]);
});

test('series: times of the page are taken, unless not, and then nothing ends', () => {
  const own = target();
  assert.equal(points(own.page('g 1 7500\n'), 'g')[0]!['time'], 7.5);
  assert.deepEqual(own.page(''), []);
  const not = target({ honorTimestamps: false });
  assert.equal(points(not.page('g 1 7500\n'), 'g')[0]!['time'], 10);
  assert.equal(points(not.page(''), 'g')[0]!['flags'], 1);
  const tracked = target({ trackTimestamps: true });
  tracked.page('g 1 7500\n');
  assert.equal(points(tracked.page(''), 'g')[0]!['flags'], 1);
  const impossible = target();
  impossible.page('g 1 -5\ng{a="1"} 1 9999999999999999\n');
  assert.equal(impossible.table.counts.invalid, 4);
});

test('series: labels of the target win, or those of the page', () => {
  const page = 'g{zone="b",job="x",exported_zone="c"} 1\n';
  const labels = (seen: Seen[]) => plain(named(seen, 'g').metric.data!.dataPoints[0]!.attributes);
  const without = target().page(page);
  assert.deepEqual(labels(without), { exported_job: 'x', exported_zone: 'c', zone: 'a',
    exported_exported_zone: 'b' });
  const honoured = target({ honorLabels: true }).page(page);
  assert.deepEqual(labels(honoured), { zone: 'b', exported_zone: 'c' });
  assert.equal(named(honoured, 'g').resource['service.name'], 'x');
  const external = target({ externalLabels: { region: 'r' } }).page('g 1\n');
  assert.deepEqual(labels(external), { zone: 'a', region: 'r' });
});

test('series: target_info and otel_scope_ describe resource and scope', () => {
  const { page } = target();
  const seen = page('# TYPE target_info gauge\ntarget_info{host_name="n",empty=""} 1\n'
    + 'g{otel_scope_name="lib",otel_scope_version="2",otel_scope_team="t"} 1\nu 1\n'
    + 'otel_scope_info{otel_scope_name="lib",otel_scope_version="2",otel_scope_team="t",'
    + 'more="m"} 1\n');
  assert.equal(named(seen, 'g').resource['host_name'], 'n');
  assert.equal(named(seen, 'g').scope, 'lib');
  assert.deepEqual(named(seen, 'g').scopeAttributes, { team: 't', more: 'm', zone: 'a' });
  assert.deepEqual(plain(named(seen, 'g').metric.data!.dataPoints[0]!.attributes), { zone: 'a' });
  assert.equal(named(seen, 'u').scope, 'binnacle/agent/prometheus');
  assert.equal(named(seen, 'target_info'), undefined);
  assert.equal(named(page('g 1\n'), 'g').resource['host_name'], undefined);
});

test('series: relabelling drops and renames, and is asked once for each series', () => {
  let asked = 0;
  const rules = compileRelabelling(relabelRules('').parse([
    { source_labels: ['__name__'], regex: 'go_.*', action: 'drop' },
    { source_labels: ['__name__'], regex: 'h(_.*)', target_label: '__name__', replacement: 'x$1' },
  ]));
  const { page, table } = target({ relabel: (labels) => {
    asked += 1;
    return rules(labels);
  } });
  const lines = 'go_x 1\ng 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_count 1\nh_sum 1\n';
  const seen = page(lines);
  assert.deepEqual(seen.map(({ metric }) => metric.name).sort(), ['g', 'x']);
  assert.deepEqual(table.counts, { scraped: 5, kept: 4, added: 4, duplicates: 0, invalid: 0 });
  page(lines);
  assert.deepEqual(table.counts, { scraped: 5, kept: 4, added: 0, duplicates: 0, invalid: 0 });
  // Once more for g, which had no family and might have been of the one that came after it.
  page(lines);
  assert.equal(asked, 6);
});

test('series: a type that comes later, or changes, counts', () => {
  const { page } = target();
  page('c_total 1\n');
  const typed = page('# TYPE c_total counter\nc_total 2\n');
  assert.deepEqual(points(typed, 'c_total'), [{ flags: 1, start: 0, time: 20 },
    { value: 2, start: 20, time: 20 }]);
  const changed = page('# TYPE c_total gauge\nc_total 3\n');
  assert.equal(changed.filter(({ metric }) => metric.data?.type === 'gauge').length, 1);
});

test('series: the second sample of a series is a duplicate', () => {
  const { page, table } = target();
  assert.equal(points(page('g 1\ng 2\n'), 'g')[0]!['value'], 1);
  assert.equal(table.counts.duplicates, 1);
});

test('series: what is learned from a page does not keep the page', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { page } = target();
  const filling = `# ${'x'.repeat(4 * 1024 * 1024)}\n`;
  let series = '';
  const read = (count: number): number => {
    series += `g{which="a label value that is new on page ${count}"} 1\n`;
    page(Buffer.from(filling + series).toString());
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = read(0);
  for (let count = 1; count < 8; count += 1) read(count);
  const grown = read(8) - before;
  assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes`);
});

test('series: limits fail the page', () => {
  const fails = (limits: Partial<TableOptions['limits']>, page: string, why: RegExp) =>
    assert.throws(() => target({ limits: { ...OPTIONS.limits, ...limits } }).page(page), why);
  fails({ labels: 4 }, 'g{a="1"} 1\n', /line 1: a series has too many labels/);
  fails({ nameBytes: 8 }, 'g{long_name="1"} 1\n', /name of a label is too long/);
  fails({ valueBytes: 15 }, 'g{a="0123456789abcdef"} 1\n', /value of a label is too long/);
  assert.throws(() => target({ legacyNames: true }).page('{"a.b"} 1\n'), /not a legacy name/);
  assert.equal(target().page('{"a.b"} 1\n').length, 1);
});

test('series: sums begin when the process did, if that is asked for', () => {
  const { page } = target({ startMetric: /^process_start_time_seconds$/ });
  const seen = page('# TYPE c_total counter\nc_total 1\nprocess_start_time_seconds 3.25\n');
  assert.equal(points(seen, 'c_total')[0]!['start'], 3.25);
});
