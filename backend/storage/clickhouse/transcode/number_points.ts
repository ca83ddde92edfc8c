// Data points of gauges and sums (metrics.proto) into `otel_metrics_gauge` and `otel_metrics_sum`.
// Integers become Float64. A point without a value has the value 0, and the flag that says so.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import type { Bytes, Source, Words } from './columns.ts';
import type { Origin } from './origin.ts';
import { ExemplarColumns, PointColumns, readInteger } from './point_columns.ts';
import type { MetricFields } from './point_columns.ts';
import { Table } from './table.ts';

const NUMBER_FIELDS = fieldBits(2, 3, 4, 5, 6, 7, 8);

class NumberRows {
  private readonly point: PointColumns;
  private readonly value: Words;
  private readonly exemplars: ExemplarColumns;

  constructor(table: Table, metric: MetricFields) {
    this.point = new PointColumns(table, metric);
    this.value = table.words('Value', 'Float64');
    this.exemplars = new ExemplarColumns(table);
  }

  /** Reads a NumberDataPoint with its length. */
  read(source: Source, origin: Origin): void {
    const { reader } = source;
    const { point, exemplars } = this;
    const outer = reader.enter();
    let value = 0;
    point.begin();
    exemplars.begin();
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (2 << 3) | 1: point.readStart(source); break;
        case (3 << 3) | 1: point.readTime(source); break;
        case (4 << 3) | 1: value = reader.double(); break;
        case (5 << 3) | 2: exemplars.read(source); break;
        case (6 << 3) | 1: value = readInteger(source); break;
        case (7 << 3) | 2: point.readAttribute(source); break;
        case (8 << 3) | 0: point.pointFlags = reader.varint32(); break;
        default: reader.skipUnknown(tag, NUMBER_FIELDS);
      }
    }
    reader.leave(outer);
    this.value.double(value);
    exemplars.end();
    point.end(source, origin);
  }
}

export class GaugeRows {
  readonly table: Table;
  private readonly numbers: NumberRows;

  constructor(metric: MetricFields) {
    this.table = new Table('otel_metrics_gauge', 'TimeUnix');
    this.numbers = new NumberRows(this.table, metric);
  }

  readonly read = (source: Source, origin: Origin): void => {
    this.numbers.read(source, origin);
    this.table.rows++;
  };
}

export class SumRows {
  readonly table: Table;
  private readonly numbers: NumberRows;
  private readonly metric: MetricFields;
  private readonly temporality: Words;
  private readonly monotonic: Bytes;

  constructor(metric: MetricFields) {
    this.table = new Table('otel_metrics_sum', 'TimeUnix');
    this.metric = metric;
    this.numbers = new NumberRows(this.table, metric);
    this.temporality = this.table.words('AggregationTemporality', 'Int32');
    this.monotonic = this.table.bytes('IsMonotonic', 'Bool');
  }

  readonly read = (source: Source, origin: Origin): void => {
    this.numbers.read(source, origin);
    this.temporality.one(this.metric.temporality);
    this.monotonic.byte(this.metric.monotonic);
    this.table.rows++;
  };
}
