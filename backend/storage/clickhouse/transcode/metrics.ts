// Metrics (metrics.proto) into the five tables of data points, one row a point.
//
// A metric's name, unit and temporality may follow its points on the wire, so each metric is
// walked twice: first for its own fields, then point by point. Of the oneof `data` the last member
// counts, as protobuf says. A metric without data gives no row.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import type { Reader } from '../../../../proto/protobuf/reader.ts';
import type { Source } from './columns.ts';
import { ExponentialHistogramRows, HistogramRows, SummaryRows } from './distribution_points.ts';
import { GaugeRows, SumRows } from './number_points.ts';
import type { Origin } from './origin.ts';
import { createMetricFields } from './point_columns.ts';
import type { MetricFields } from './point_columns.ts';
import type { Attempts, Read, RecordRows } from './records.ts';
import type { Table } from './table.ts';

const METRIC_FIELDS = fieldBits(1, 2, 3, 5, 7, 9, 10, 11, 12);
const DATA_FIELDS = fieldBits(1, 2, 3);
const POINT = (1 << 3) | 2;

interface PointRows {
  readonly table: Table;
  /** Reads one data point with its length and appends its row. */
  readonly read: Read;
}

export class MetricRows implements RecordRows {
  readonly tables: readonly Table[];
  private readonly attempts: Attempts;
  private readonly metric: MetricFields;
  /** By the tag of the member of `data`. */
  private readonly rows: ReadonlyMap<number, PointRows>;

  constructor(attempts: Attempts) {
    const metric = createMetricFields();
    this.attempts = attempts;
    this.metric = metric;
    this.rows = new Map<number, PointRows>([
      [(5 << 3) | 2, new GaugeRows(metric)],
      [(7 << 3) | 2, new SumRows(metric)],
      [(9 << 3) | 2, new HistogramRows(metric)],
      [(10 << 3) | 2, new ExponentialHistogramRows(metric)],
      [(11 << 3) | 2, new SummaryRows(metric)],
    ]);
    this.tables = [...this.rows.values()].map((rows) => rows.table);
  }

  read(source: Source, origin: Origin): void {
    const { reader } = source;
    const outer = reader.enter();
    const start = reader.position;
    this.readFields(reader);
    const { metric } = this;
    const { dataTag, dataStart } = metric;
    origin.metricBytes = metric.nameEnd - metric.name + metric.descriptionEnd - metric.description
      + metric.unitEnd - metric.unit;
    const rows = this.rows.get(dataTag);
    if (rows !== undefined) {
      reader.position = Math.max(start, dataStart);
      while (reader.more()) {
        const tag = reader.tag();
        if (tag === dataTag) this.readPoints(source, origin, rows);
        else reader.skip(tag & 7);
      }
    }
    reader.leave(outer);
  }

  private readFields(reader: Reader): void {
    const { metric } = this;
    metric.name = metric.nameEnd = metric.description = metric.descriptionEnd = 0;
    metric.unit = metric.unitEnd = metric.dataTag = metric.dataStart = 0;
    metric.temporality = metric.monotonic = 0;
    while (reader.more()) {
      const at = reader.position;
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 2: metric.name = reader.range(); metric.nameEnd = reader.position; break;
        case (2 << 3) | 2:
          metric.description = reader.range();
          metric.descriptionEnd = reader.position;
          break;
        case (3 << 3) | 2: metric.unit = reader.range(); metric.unitEnd = reader.position; break;
        case (12 << 3) | 2: reader.range(); break;
        default:
          if (this.rows.has(tag)) this.readDataFields(reader, tag, at);
          else reader.skipUnknown(tag, METRIC_FIELDS);
      }
    }
  }

  /** Reads what stands beside the points of a member of `data`. */
  private readDataFields(reader: Reader, dataTag: number, at: number): void {
    const { metric } = this;
    if (metric.dataTag !== dataTag) {
      metric.dataTag = dataTag;
      metric.dataStart = at;
      metric.temporality = metric.monotonic = 0;
    }
    const outer = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === ((2 << 3) | 0)) metric.temporality = reader.int32();
      else if (tag === ((3 << 3) | 0)) metric.monotonic = reader.bool() ? 1 : 0;
      else reader.skip(tag & 7);
    }
    reader.leave(outer);
  }

  private readPoints(source: Source, origin: Origin, rows: PointRows): void {
    const { reader } = source;
    const outer = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === POINT) this.attempts.readItem(rows.read, source, origin);
      else if ((tag & 7) === 0) reader.varint64();
      else reader.skipUnknown(tag, DATA_FIELDS);
    }
    reader.leave(outer);
  }
}
