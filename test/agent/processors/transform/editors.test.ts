// Proves the editors that only the transform processor has, as the README of the Collector's
// transformprocessor documents them: each by its section and, where there is one, its example.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transformProcessor } from '../../../../agent/processors/transform/processor.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import type {
  ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, NumberValue, Span,
  SummaryDataPoint,
} from '../../../../proto/otlp/model.ts';
import { createSink, NEVER, testContext } from '../../../contract/fakes.ts';
import { METRIC, pairs, SPAN, unpaired, type Plain } from '../../ottl/records.ts';

async function metricsAfter(
  statements: string[], ...metrics: Metric[]
): Promise<readonly Metric[]> {
  const sink = createSink();
  const config = transformProcessor.schema.parse({
    error_mode: 'propagate', metric_statements: statements,
  });
  const batch = Batch.fromRequest('metrics', {
    resourceMetrics: [{
      resource: undefined, schemaUrl: '',
      scopeMetrics: [{ scope: undefined, schemaUrl: '', metrics }],
    }],
  });
  const outcome = await transformProcessor.create(config, testContext(), sink)
    .consume(batch, NEVER);
  assert.equal(outcome.status, 'accepted', JSON.stringify(outcome));
  const [received] = sink.received as Batch<'metrics'>[];
  return received!.request.resourceMetrics[0]!.scopeMetrics[0]!.metrics;
}

const base = (attributes: Record<string, Plain> = {}) => ({
  attributes: pairs(attributes), startTimeUnixNano: 1n, timeUnixNano: 10n, flags: 0,
});

const number = (
  value: number | bigint, attributes: Record<string, Plain> = {},
): NumberDataPoint => ({
  ...base(attributes), exemplars: [],
  value: { type: typeof value === 'bigint' ? 'int' : 'double', value } as NumberValue,
});

const gauge = (...dataPoints: NumberDataPoint[]): Metric =>
  ({ ...METRIC, name: 'g', data: { type: 'gauge', dataPoints } });
const sum = (...dataPoints: NumberDataPoint[]): Metric => ({
  ...METRIC, name: 's',
  data: { type: 'sum', dataPoints, aggregationTemporality: 2, isMonotonic: true },
});

const HISTOGRAM_POINT: HistogramDataPoint = {
  ...base({ a: 'b' }), count: 17n, sum: 8.5, min: undefined, max: undefined,
  bucketCounts: [5n, 8n, 3n, 1n], explicitBounds: [0.1, 0.5, 1], exemplars: [],
};
const histogram = (...dataPoints: HistogramDataPoint[]): Metric => ({
  ...METRIC, name: 'h',
  data: { type: 'histogram', dataPoints, aggregationTemporality: 1 },
});
const SUMMARY_POINT: SummaryDataPoint = {
  ...base({ a: 'b' }), count: 4n, sum: 10,
  quantileValues: [{ quantile: 0.5, value: 2 }, { quantile: 0.99, value: 7 }],
};
const SUMMARY: Metric = {
  ...METRIC, name: 'q', data: { type: 'summary', dataPoints: [SUMMARY_POINT] },
};
const EXPONENTIAL_POINT: ExponentialHistogramDataPoint = {
  ...base(), count: 6n, sum: 30, scale: 0, zeroCount: 1n, zeroThreshold: 0, exemplars: [],
  positive: { offset: 0, bucketCounts: [1n, 4n] }, negative: undefined,
  min: undefined, max: undefined,
};
const EXPONENTIAL: Metric = {
  ...METRIC, name: 'e',
  data: {
    type: 'exponentialHistogram', dataPoints: [EXPONENTIAL_POINT], aggregationTemporality: 2,
  },
};

/** What points say: values, or counts and sums. */
const valuesOf = ({ data }: Metric): Plain => data!.dataPoints.map((point) => ('value' in point
  ? point.value!.value : `${point.count} ${point.sum}`));

test('transform editors: convert_sum_to_gauge, convert_gauge_to_sum', async () => {
  const [converted, other] = await metricsAfter(['convert_sum_to_gauge() where metric.name == "s"'],
    sum(number(1n)), gauge(number(2n)));
  assert.deepEqual(converted!.data, { type: 'gauge', dataPoints: [number(1n)] });
  assert.equal(other!.data!.type, 'gauge');
  const [made] = await metricsAfter(['convert_gauge_to_sum("delta", true)'], gauge(number(2)));
  assert.deepEqual(made!.data, {
    type: 'sum', dataPoints: [number(2)], aggregationTemporality: 1, isMonotonic: true,
  });
});

test('transform editors: extract_count_metric, extract_sum_metric', async () => {
  const [, count, total] = await metricsAfter([
    'extract_count_metric(true) where metric.type == METRIC_DATA_TYPE_HISTOGRAM',
    'extract_sum_metric(false, ".sum") where metric.type == METRIC_DATA_TYPE_HISTOGRAM',
  ], histogram(HISTOGRAM_POINT));
  assert.deepEqual([count!.name, count!.unit, count!.description, valuesOf(count!)],
    ['h_count', '1', 'd', [17n]]);
  assert.deepEqual(count!.data, {
    type: 'sum', aggregationTemporality: 1, isMonotonic: true,
    dataPoints: [{ ...number(17n), attributes: pairs({ a: 'b' }) }],
  });
  assert.deepEqual([total!.name, total!.unit, valuesOf(total!)], ['h.sum', 's', [8.5]]);
  // Without a sum there is no point, and so no metric.
  const none = await metricsAfter(['extract_sum_metric(true)'],
    histogram({ ...HISTOGRAM_POINT, sum: undefined }));
  assert.equal(none.length, 1);
  const ofSummary = await metricsAfter(
    ['extract_count_metric(true) where metric.type == METRIC_DATA_TYPE_SUMMARY'], SUMMARY);
  const cumulative = ofSummary[1]!.data as { aggregationTemporality: number };
  assert.equal(cumulative.aggregationTemporality, 2);
  await assert.rejects(metricsAfter(['extract_count_metric(true)'], gauge(number(1))),
    /takes a histogram or a summary, not gauge/);
});

test('transform editors: extract_percentile_metric', async () => {
  const where = 'where metric.type != METRIC_DATA_TYPE_GAUGE';
  const [, half, high] = await metricsAfter([
    `extract_percentile_metric(50.0) ${where}`,
    `extract_percentile_metric(99.0, "_high") ${where}`,
  ], histogram({ ...HISTOGRAM_POINT, max: 2 }));
  // The rank 8.5 of 17 is 3.5 of the 8 in the bucket from 0.1 to 0.5.
  assert.deepEqual([half!.name, half!.data!.type], ['h_p50', 'gauge']);
  assert.ok(Math.abs((valuesOf(half!) as number[])[0]! - (0.1 + 0.4 * (3.5 / 8))) < 1e-9);
  assert.equal(high!.name, 'h_high');
  assert.ok(Math.abs((valuesOf(high!) as number[])[0]! - 1.83) < 1e-9);
  const [, exponential] = await metricsAfter(
    [`extract_percentile_metric(50) ${where}`], EXPONENTIAL);
  // The rank 3 is 1 of the 4 in the bucket from 2 to 4, on a logarithmic scale.
  assert.ok(Math.abs((valuesOf(exponential!) as number[])[0]! - 2 * 2 ** 0.25) < 1e-9);
});

test('transform editors: summaries to sums and gauges', async () => {
  const [, count, total, quantiles] = await metricsAfter([
    'convert_summary_count_val_to_sum("delta", true)',
    'convert_summary_sum_val_to_sum("cumulative", false, ".sum")',
    'convert_summary_quantile_val_to_gauge()',
  ], SUMMARY);
  assert.deepEqual([count!.name, valuesOf(count!)], ['q_count', [4n]]);
  assert.deepEqual([total!.name, valuesOf(total!)], ['q.sum', [10]]);
  assert.deepEqual([quantiles!.name, valuesOf(quantiles!)], ['q.quantiles', [2, 7]]);
  assert.deepEqual(quantiles!.data!.dataPoints.map(({ attributes }) => unpaired(attributes)),
    [{ a: 'b', quantile: '0.50' }, { a: 'b', quantile: '0.99' }]);
  const unchanged = await metricsAfter(['convert_summary_count_val_to_sum("delta", true)'],
    gauge(number(1)));
  assert.equal(unchanged.length, 1);
});

test('transform editors: copy_metric, whose copy the statements see, too', async () => {
  const [first, copy] = await metricsAfter([
    'copy_metric(name="http.request.status_code", unit="1") where metric.name == "s"',
    'set(metric.description, metric.name)',
  ], sum(number(1n)));
  assert.deepEqual([first!.name, first!.description], ['s', 's']);
  assert.deepEqual([copy!.name, copy!.unit, copy!.description],
    ['http.request.status_code', '1', 'http.request.status_code']);
  const [, described] = await metricsAfter(
    ['copy_metric(desc="new desc") where metric.description == "d"'], sum(number(1n)));
  assert.equal(described!.description, 'new desc');
});

test('transform editors: scale_metric', async () => {
  const [scaled] = await metricsAfter(
    ['scale_metric(10.0, "kWh")'], gauge(number(1.5), number(3n)));
  assert.deepEqual([scaled!.unit, valuesOf(scaled!)], ['kWh', [15, 30n]]);
  const [ofHistogram] = await metricsAfter(['scale_metric(2)'], histogram(HISTOGRAM_POINT));
  const [point] = ofHistogram!.data!.dataPoints as HistogramDataPoint[];
  assert.deepEqual([point!.sum, point!.explicitBounds, point!.bucketCounts, point!.count],
    [17, [0.2, 1, 2], HISTOGRAM_POINT.bucketCounts, 17n]);
  const [ofSummary] = await metricsAfter(['scale_metric(0.5)'], SUMMARY);
  assert.deepEqual((ofSummary!.data!.dataPoints[0] as SummaryDataPoint).quantileValues,
    [{ quantile: 0.5, value: 1 }, { quantile: 0.99, value: 3.5 }]);
  await assert.rejects(metricsAfter(['scale_metric(2)'], EXPONENTIAL), /exponential/);
});

test('transform editors: aggregate_on_attributes', async () => {
  const points = () => [
    number(1n, { cpu: '0', state: 'a' }), number(2n, { cpu: '0', state: 'b' }),
    number(6n, { cpu: '1', state: 'a' }), number(7n, { cpu: '1', state: 'a' }),
  ];
  const check = async (call: string, want: Plain) => {
    const [metric] = await metricsAfter([call], sum(...points()));
    assert.deepEqual(metric!.data!.dataPoints.map((point) =>
      [unpaired(point.attributes), (point as NumberDataPoint).value!.value]), want, call);
  };
  await check('aggregate_on_attributes("sum", ["cpu"])', [[{ cpu: '0' }, 3n], [{ cpu: '1' }, 13n]]);
  await check('aggregate_on_attributes("max", [])', [[{}, 7n]]);
  await check('aggregate_on_attributes("min", [])', [[{}, 1n]]);
  await check('aggregate_on_attributes("mean", [])', [[{}, 4n]]);
  await check('aggregate_on_attributes("median", [])', [[{}, 4n]]);
  await check('aggregate_on_attributes("count", ["cpu"])',
    [[{ cpu: '0' }, 2n], [{ cpu: '1' }, 2n]]);
  await check('aggregate_on_attributes("sum")', [
    [{ cpu: '0', state: 'a' }, 1n], [{ cpu: '0', state: 'b' }, 2n], [{ cpu: '1', state: 'a' }, 13n],
  ]);
  await check('aggregate_on_attribute_value("sum", "state", ["a", "b"], "any")', [
    [{ cpu: '0', state: 'any' }, 3n], [{ cpu: '1', state: 'any' }, 13n],
  ]);
  const [histograms] = await metricsAfter(['aggregate_on_attributes("sum", [])'],
    histogram(HISTOGRAM_POINT, { ...HISTOGRAM_POINT, attributes: [] },
      { ...HISTOGRAM_POINT, explicitBounds: [1, 2, 3] }));
  assert.deepEqual(valuesOf(histograms!), ['34 17', '17 8.5']);
  await assert.rejects(metricsAfter(['aggregate_on_attributes("max", [])'],
    histogram(HISTOGRAM_POINT)), /by max/);
});

test('transform editors: points of other times are not aggregated', async () => {
  const [metric] = await metricsAfter(['aggregate_on_attributes("sum", [])'],
    gauge(number(1), { ...number(2), timeUnixNano: 11n }));
  assert.deepEqual(valuesOf(metric!), [1, 2]);
});

test('transform editors: merge_histogram_buckets', async () => {
  const check = async (
    call: string, point: HistogramDataPoint, bounds: number[], counts: bigint[],
  ) => {
    const [metric] = await metricsAfter([call], histogram(point));
    const [after] = metric!.data!.dataPoints as HistogramDataPoint[];
    assert.deepEqual([after!.explicitBounds, after!.bucketCounts], [bounds, counts], call);
  };
  await check('merge_histogram_buckets(0.5)', HISTOGRAM_POINT, [0.1, 1], [5n, 11n, 1n]);
  await check('merge_histogram_buckets(0.7)', HISTOGRAM_POINT, [0.1, 0.5, 1], [5n, 8n, 3n, 1n]);
  await check('merge_histogram_buckets(5, method="limit_buckets")', {
    ...HISTOGRAM_POINT, explicitBounds: [0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30],
    bucketCounts: [80n, 4n, 6n, 120n, 3n, 2n, 40n, 10n, 1n],
  }, [0.2, 1, 5, 30], [84n, 126n, 5n, 50n, 1n]);
});

test('transform editors: set_semconv_span_name', async () => {
  const check = async (span: Partial<Span>, want: string, kept?: Plain) => {
    const sink = createSink();
    const config = transformProcessor.schema.parse({
      trace_statements: ['set_semconv_span_name("1.43.0", "original")'],
    });
    const batch = Batch.fromRequest('traces', {
      resourceSpans: [{
        resource: undefined, schemaUrl: '',
        scopeSpans: [{ scope: undefined, schemaUrl: '', spans: [{ ...SPAN, ...span }] }],
      }],
    });
    await transformProcessor.create(config, testContext(), sink).consume(batch, NEVER);
    const [after] = (sink.received[0] as Batch<'traces'>).request.resourceSpans[0]!
      .scopeSpans[0]!.spans;
    assert.equal(after!.name, want);
    assert.equal((unpaired(after!.attributes) as { original?: Plain }).original, kept);
  };
  const name = 'GET /api/v1/users/123';
  await check({
    name, attributes: pairs({ 'http.request.method': 'GET', 'http.route': '/api/v1/users/{id}' }),
  }, 'GET /api/v1/users/{id}', name);
  await check({ name, attributes: pairs({ 'http.method': 'GET', 'url.path': '/x' }) }, 'GET', name);
  await check({
    name: 'GET /api', attributes: pairs({ 'http.request.method': 'GET', 'http.route': '/api' }),
  }, 'GET /api');
  await check({
    name: 'x', attributes: pairs({ 'rpc.system': 'grpc', 'rpc.service': 'S', 'rpc.method': 'M' }),
  }, 'S/M', 'x');
  await check({
    name: 'x', attributes: pairs({
      'db.system': 'mysql', 'db.operation': 'SELECT', 'db.collection.name': 'product',
    }),
  }, 'SELECT product', 'x');
  await check({
    name: 'x', attributes: pairs({
      'messaging.system': 'kafka', 'messaging.operation.name': 'publish',
      'messaging.destination.name': 'orders',
    }),
  }, 'publish orders', 'x');
  await check({ name: 'own', attributes: [] }, 'own');
});
