// The columns that the tables of all kinds of data points have, and the exemplars (metrics.proto).

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { appendAttribute } from './attributes.ts';
import { Offsets } from './columns.ts';
import type { Bytes, Source, Words } from './columns.ts';
import type { Dictionary } from './dictionary.ts';
import { appendId, appendTime, SPAN_ID_BYTES, TRACE_ID_BYTES } from './fields.ts';
import type { Origin } from './origin.ts';
import type { MapColumn, SharedMapColumn, Table } from './table.ts';

const EXEMPLAR_FIELDS = fieldBits(2, 3, 4, 5, 6, 7);

/** Fields of the metric whose points are being read. Texts are places in the request. */
export interface MetricFields {
  name: number;
  nameEnd: number;
  description: number;
  descriptionEnd: number;
  unit: number;
  unitEnd: number;
  /** The tag of the member of `data` that counts, and where its first occurrence stands. */
  dataTag: number;
  dataStart: number;
  temporality: number;
  monotonic: number;
}

export function createMetricFields(): MetricFields {
  return {
    name: 0,
    nameEnd: 0,
    description: 0,
    descriptionEnd: 0,
    unit: 0,
    unitEnd: 0,
    dataTag: 0,
    dataStart: 0,
    temporality: 0,
    monotonic: 0,
  };
}

/** What every data point has, as it is collected while its fields are read. */
export class PointColumns {
  startLow: number;
  startHigh: number;
  timeLow: number;
  timeHigh: number;
  pointFlags: number;
  private attributeCount: number;
  private readonly metric: MetricFields;
  private readonly serviceName: Dictionary;
  private readonly resourceAttributes: SharedMapColumn;
  private readonly resourceSchemaUrl: Dictionary;
  private readonly scopeName: Dictionary;
  private readonly scopeVersion: Dictionary;
  private readonly scopeAttributes: SharedMapColumn;
  private readonly scopeDroppedAttributes: Words;
  private readonly scopeSchemaUrl: Dictionary;
  private readonly metricName: Dictionary;
  private readonly metricDescription: Dictionary;
  private readonly metricUnit: Dictionary;
  private readonly attributes: MapColumn;
  private readonly startTime: Words;
  private readonly time: Words;
  private readonly flags: Words;
  private readonly batchId: Dictionary;

  constructor(table: Table, metric: MetricFields) {
    this.startLow = this.startHigh = this.timeLow = this.timeHigh = 0;
    this.pointFlags = this.attributeCount = 0;
    this.metric = metric;
    this.resourceAttributes = table.sharedMap('ResourceAttributes');
    this.resourceSchemaUrl = table.lowStrings('ResourceSchemaUrl');
    this.scopeName = table.lowStrings('ScopeName');
    this.scopeVersion = table.lowStrings('ScopeVersion');
    this.scopeAttributes = table.sharedMap('ScopeAttributes');
    this.scopeDroppedAttributes = table.words('ScopeDroppedAttrCount', 'UInt32');
    this.scopeSchemaUrl = table.lowStrings('ScopeSchemaUrl');
    this.serviceName = table.lowStrings('ServiceName');
    this.metricName = table.lowStrings('MetricName');
    this.metricDescription = table.lowStrings('MetricDescription');
    this.metricUnit = table.lowStrings('MetricUnit');
    this.attributes = table.map('Attributes');
    this.startTime = table.words('StartTimeUnix', 'DateTime64(9)');
    this.time = table.words('TimeUnix', 'DateTime64(9)');
    this.flags = table.words('Flags', 'UInt32');
    this.batchId = table.lowStrings('BatchId');
  }

  begin(): void {
    this.startLow = this.startHigh = this.timeLow = this.timeHigh = 0;
    this.pointFlags = this.attributeCount = 0;
  }

  readAttribute(source: Source): void {
    appendAttribute(this.attributes.keys, this.attributes.values, source);
    this.attributeCount++;
  }

  readStart(source: Source): void {
    source.reader.words64();
    this.startLow = source.reader.low;
    this.startHigh = source.reader.high;
  }

  readTime(source: Source): void {
    source.reader.words64();
    this.timeLow = source.reader.low;
    this.timeHigh = source.reader.high;
  }

  end(source: Source, origin: Origin): void {
    const { metric } = this;
    appendTime(this.time, this.timeLow, this.timeHigh, 'data point');
    appendTime(this.startTime, this.startLow, this.startHigh, 'data point');
    this.flags.one(this.pointFlags);
    this.attributes.offsets.endRow(this.attributeCount);
    this.metricName.append(source.view, metric.name, metric.nameEnd);
    this.metricDescription.append(source.view, metric.description, metric.descriptionEnd);
    this.metricUnit.append(source.view, metric.unit, metric.unitEnd);
    origin.serviceName.appendTo(this.serviceName);
    origin.resourceAttributes.appendTo(this.resourceAttributes);
    origin.resourceSchemaUrl.appendTo(this.resourceSchemaUrl);
    origin.scopeName.appendTo(this.scopeName);
    origin.scopeVersion.appendTo(this.scopeVersion);
    origin.scopeAttributes.appendTo(this.scopeAttributes);
    origin.scopeSchemaUrl.appendTo(this.scopeSchemaUrl);
    this.scopeDroppedAttributes.one(origin.scopeDroppedAttributes);
    origin.batchName.appendTo(this.batchId);
  }
}

/** A number that is a double or an integer of 64 bits on the wire and a Float64 in the tables. */
export function readInteger(source: Source): number {
  const { reader } = source;
  reader.words64();
  // Both summands are exact, so the sum is rounded once.
  return reader.high * 2 ** 32 + (reader.low >>> 0);
}

export class ExemplarColumns {
  private readonly offsets: Offsets;
  private readonly attributes: MapColumn;
  private readonly time: Words;
  private readonly value: Words;
  private readonly spanId: Bytes;
  private readonly traceId: Bytes;
  private count: number;

  constructor(table: Table) {
    this.count = 0;
    this.offsets = new Offsets();
    this.attributes = table.arrayOfMaps('Exemplars.FilteredAttributes', this.offsets);
    this.time = table.arrayOfWords('Exemplars.TimeUnix', 'DateTime64(9)', this.offsets);
    this.value = table.arrayOfWords('Exemplars.Value', 'Float64', this.offsets);
    this.spanId = table.arrayOfStrings('Exemplars.SpanId', this.offsets);
    this.traceId = table.arrayOfStrings('Exemplars.TraceId', this.offsets);
  }

  begin(): void {
    this.count = 0;
  }

  /** Reads an Exemplar with its length. */
  read(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    let low = 0, high = 0, value = 0, attributes = 0;
    let spanId = 0, spanIdEnd = 0, traceId = 0, traceIdEnd = 0;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (2 << 3) | 1: reader.words64(); low = reader.low; high = reader.high; break;
        case (3 << 3) | 1: value = reader.double(); break;
        case (4 << 3) | 2: spanId = reader.range(); spanIdEnd = reader.position; break;
        case (5 << 3) | 2: traceId = reader.range(); traceIdEnd = reader.position; break;
        case (6 << 3) | 1: value = readInteger(source); break;
        case (7 << 3) | 2:
          appendAttribute(this.attributes.keys, this.attributes.values, source);
          attributes++;
          break;
        default: reader.skipUnknown(tag, EXEMPLAR_FIELDS);
      }
    }
    reader.leave(outer);
    appendTime(this.time, low, high, 'exemplar');
    this.value.double(value);
    this.attributes.offsets.endRow(attributes);
    appendId(this.spanId, source, spanId, spanIdEnd, SPAN_ID_BYTES);
    appendId(this.traceId, source, traceId, traceIdEnd, TRACE_ID_BYTES);
    this.count++;
  }

  end(): void {
    this.offsets.endRow(this.count);
  }
}
