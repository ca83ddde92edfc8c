// Data points of histograms, exponential histograms and summaries (metrics.proto) into
// `otel_metrics_histogram`, `otel_metrics_exponential_histogram` and `otel_metrics_summary`.
// A sum, minimum or maximum that is absent is stored as 0.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { Offsets } from './columns.ts';
import type { Source, Words } from './columns.ts';
import type { Origin } from './origin.ts';
import { ExemplarColumns, PointColumns } from './point_columns.ts';
import type { MetricFields } from './point_columns.ts';
import { Table } from './table.ts';

const HISTOGRAM_FIELDS = fieldBits(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
const EXPONENTIAL_FIELDS = fieldBits(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
const BUCKET_FIELDS = fieldBits(1, 2);
const SUMMARY_FIELDS = fieldBits(2, 3, 4, 5, 6, 7, 8);
const QUANTILE_FIELDS = fieldBits(1, 2);

/** An array of 64-bit numbers, one list a row. */
class NumberLists {
  private readonly offsets: Offsets;
  private readonly numbers: Words;
  private count: number;

  constructor(table: Table, name: string, type: 'UInt64' | 'Float64') {
    this.count = 0;
    this.offsets = new Offsets();
    this.numbers = table.arrayOfWords(name, type, this.offsets);
  }

  begin(): void {
    this.count = 0;
  }

  /** One element that stands alone: a sender may leave a repeated number unpacked. */
  readFixed(source: Source): void {
    source.reader.words64();
    this.numbers.pair(source.reader.low, source.reader.high);
    this.count++;
  }

  readVarint(source: Source): void {
    source.reader.varint64();
    this.numbers.pair(source.reader.low, source.reader.high);
    this.count++;
  }

  readPackedFixed(source: Source): void {
    const outer = source.reader.enter();
    while (source.reader.more()) this.readFixed(source);
    source.reader.leave(outer);
  }

  readPackedVarints(source: Source): void {
    const outer = source.reader.enter();
    while (source.reader.more()) this.readVarint(source);
    source.reader.leave(outer);
  }

  end(): void {
    this.offsets.endRow(this.count);
  }
}

export class HistogramRows {
  readonly table: Table;
  private readonly metric: MetricFields;
  private readonly point: PointColumns;
  private readonly count: Words;
  private readonly sum: Words;
  private readonly bucketCounts: NumberLists;
  private readonly explicitBounds: NumberLists;
  private readonly exemplars: ExemplarColumns;
  private readonly min: Words;
  private readonly max: Words;
  private readonly temporality: Words;

  constructor(metric: MetricFields) {
    const table = new Table('otel_metrics_histogram', 'TimeUnix');
    this.table = table;
    this.metric = metric;
    this.point = new PointColumns(table, metric);
    this.count = table.words('Count', 'UInt64');
    this.sum = table.words('Sum', 'Float64');
    this.bucketCounts = new NumberLists(table, 'BucketCounts', 'UInt64');
    this.explicitBounds = new NumberLists(table, 'ExplicitBounds', 'Float64');
    this.exemplars = new ExemplarColumns(table);
    this.min = table.words('Min', 'Float64');
    this.max = table.words('Max', 'Float64');
    this.temporality = table.words('AggregationTemporality', 'Int32');
  }

  /** Reads a HistogramDataPoint with its length. */
  readonly read = (source: Source, origin: Origin): void => {
    const { reader } = source;
    const { point, bucketCounts, explicitBounds, exemplars } = this;
    const outer = reader.enter();
    let countLow = 0, countHigh = 0, sum = 0, min = 0, max = 0;
    point.begin();
    bucketCounts.begin();
    explicitBounds.begin();
    exemplars.begin();
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (2 << 3) | 1: point.readStart(source); break;
        case (3 << 3) | 1: point.readTime(source); break;
        case (4 << 3) | 1: reader.words64(); countLow = reader.low; countHigh = reader.high; break;
        case (5 << 3) | 1: sum = reader.double(); break;
        case (6 << 3) | 1: bucketCounts.readFixed(source); break;
        case (6 << 3) | 2: bucketCounts.readPackedFixed(source); break;
        case (7 << 3) | 1: explicitBounds.readFixed(source); break;
        case (7 << 3) | 2: explicitBounds.readPackedFixed(source); break;
        case (8 << 3) | 2: exemplars.read(source); break;
        case (9 << 3) | 2: point.readAttribute(source); break;
        case (10 << 3) | 0: point.pointFlags = reader.varint32(); break;
        case (11 << 3) | 1: min = reader.double(); break;
        case (12 << 3) | 1: max = reader.double(); break;
        default: reader.skipUnknown(tag, HISTOGRAM_FIELDS);
      }
    }
    reader.leave(outer);
    this.count.pair(countLow, countHigh);
    this.sum.double(sum);
    this.min.double(min);
    this.max.double(max);
    bucketCounts.end();
    explicitBounds.end();
    exemplars.end();
    this.temporality.one(this.metric.temporality);
    point.end(source, origin);
    this.table.rows++;
  };
}

/** `Buckets` of an exponential histogram: an offset and counts. */
class BucketColumns {
  private readonly offset: Words;
  private readonly counts: NumberLists;
  private first: number;

  constructor(table: Table, side: 'Positive' | 'Negative') {
    this.first = 0;
    this.offset = table.words(`${side}Offset`, 'Int32');
    this.counts = new NumberLists(table, `${side}BucketCounts`, 'UInt64');
  }

  begin(): void {
    this.first = 0;
    this.counts.begin();
  }

  read(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 0: this.first = reader.sint32(); break;
        case (2 << 3) | 0: this.counts.readVarint(source); break;
        case (2 << 3) | 2: this.counts.readPackedVarints(source); break;
        default: reader.skipUnknown(tag, BUCKET_FIELDS);
      }
    }
    reader.leave(outer);
  }

  end(): void {
    this.offset.one(this.first);
    this.counts.end();
  }
}

export class ExponentialHistogramRows {
  readonly table: Table;
  private readonly metric: MetricFields;
  private readonly point: PointColumns;
  private readonly count: Words;
  private readonly sum: Words;
  private readonly scale: Words;
  private readonly zeroCount: Words;
  private readonly positive: BucketColumns;
  private readonly negative: BucketColumns;
  private readonly exemplars: ExemplarColumns;
  private readonly min: Words;
  private readonly max: Words;
  private readonly temporality: Words;

  constructor(metric: MetricFields) {
    const table = new Table('otel_metrics_exponential_histogram', 'TimeUnix');
    this.table = table;
    this.metric = metric;
    this.point = new PointColumns(table, metric);
    this.count = table.words('Count', 'UInt64');
    this.sum = table.words('Sum', 'Float64');
    this.scale = table.words('Scale', 'Int32');
    this.zeroCount = table.words('ZeroCount', 'UInt64');
    this.positive = new BucketColumns(table, 'Positive');
    this.negative = new BucketColumns(table, 'Negative');
    this.exemplars = new ExemplarColumns(table);
    this.min = table.words('Min', 'Float64');
    this.max = table.words('Max', 'Float64');
    this.temporality = table.words('AggregationTemporality', 'Int32');
  }

  /** Reads an ExponentialHistogramDataPoint with its length. */
  readonly read = (source: Source, origin: Origin): void => {
    const { reader } = source;
    const { point, positive, negative, exemplars } = this;
    const outer = reader.enter();
    let countLow = 0, countHigh = 0, zeroLow = 0, zeroHigh = 0;
    let sum = 0, scale = 0, min = 0, max = 0;
    point.begin();
    positive.begin();
    negative.begin();
    exemplars.begin();
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 2: point.readAttribute(source); break;
        case (2 << 3) | 1: point.readStart(source); break;
        case (3 << 3) | 1: point.readTime(source); break;
        case (4 << 3) | 1: reader.words64(); countLow = reader.low; countHigh = reader.high; break;
        case (5 << 3) | 1: sum = reader.double(); break;
        case (6 << 3) | 0: scale = reader.sint32(); break;
        case (7 << 3) | 1: reader.words64(); zeroLow = reader.low; zeroHigh = reader.high; break;
        case (8 << 3) | 2: positive.read(source); break;
        case (9 << 3) | 2: negative.read(source); break;
        case (10 << 3) | 0: point.pointFlags = reader.varint32(); break;
        case (11 << 3) | 2: exemplars.read(source); break;
        case (12 << 3) | 1: min = reader.double(); break;
        case (13 << 3) | 1: max = reader.double(); break;
        case (14 << 3) | 1: reader.take(8); break;
        default: reader.skipUnknown(tag, EXPONENTIAL_FIELDS);
      }
    }
    reader.leave(outer);
    this.count.pair(countLow, countHigh);
    this.sum.double(sum);
    this.scale.one(scale);
    this.zeroCount.pair(zeroLow, zeroHigh);
    this.min.double(min);
    this.max.double(max);
    positive.end();
    negative.end();
    exemplars.end();
    this.temporality.one(this.metric.temporality);
    point.end(source, origin);
    this.table.rows++;
  };
}

export class SummaryRows {
  readonly table: Table;
  private readonly point: PointColumns;
  private readonly count: Words;
  private readonly sum: Words;
  private readonly quantiles: Offsets;
  private readonly quantile: Words;
  private readonly value: Words;

  constructor(metric: MetricFields) {
    const table = new Table('otel_metrics_summary', 'TimeUnix');
    this.table = table;
    this.point = new PointColumns(table, metric);
    this.count = table.words('Count', 'UInt64');
    this.sum = table.words('Sum', 'Float64');
    this.quantiles = new Offsets();
    this.quantile = table.arrayOfWords('ValueAtQuantiles.Quantile', 'Float64', this.quantiles);
    this.value = table.arrayOfWords('ValueAtQuantiles.Value', 'Float64', this.quantiles);
  }

  /** Reads a SummaryDataPoint with its length. */
  readonly read = (source: Source, origin: Origin): void => {
    const { reader } = source;
    const { point } = this;
    const outer = reader.enter();
    let countLow = 0, countHigh = 0, sum = 0, quantiles = 0;
    point.begin();
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (2 << 3) | 1: point.readStart(source); break;
        case (3 << 3) | 1: point.readTime(source); break;
        case (4 << 3) | 1: reader.words64(); countLow = reader.low; countHigh = reader.high; break;
        case (5 << 3) | 1: sum = reader.double(); break;
        case (6 << 3) | 2: this.readQuantile(source); quantiles++; break;
        case (7 << 3) | 2: point.readAttribute(source); break;
        case (8 << 3) | 0: point.pointFlags = reader.varint32(); break;
        default: reader.skipUnknown(tag, SUMMARY_FIELDS);
      }
    }
    reader.leave(outer);
    this.count.pair(countLow, countHigh);
    this.sum.double(sum);
    this.quantiles.endRow(quantiles);
    point.end(source, origin);
    this.table.rows++;
  };

  private readQuantile(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    let quantile = 0, value = 0;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 1: quantile = reader.double(); break;
        case (2 << 3) | 1: value = reader.double(); break;
        default: reader.skipUnknown(tag, QUANTILE_FIELDS);
      }
    }
    reader.leave(outer);
    this.quantile.double(quantile);
    this.value.double(value);
  }
}
