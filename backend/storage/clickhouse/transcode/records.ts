// What the walk through a request needs of each signal.

import type { Source } from './columns.ts';
import type { Origin } from './origin.ts';
import type { Table } from './table.ts';

export interface RecordRows {
  readonly tables: readonly Table[];
  /**
   * Reads one record (Span, LogRecord, Metric) with its length and appends its rows. Throws
   * DecodeError for a record that cannot be stored, with half a row written perhaps.
   */
  read(source: Source, origin: Origin): void;
}

export type Read = (source: Source, origin: Origin) => void;

export interface Attempts {
  /**
   * Reads one span, log record or data point with its length. When it is broken, what was written
   * of it is taken back and the reader moves behind it. It may also be passed over.
   */
  readItem(read: Read, source: Source, origin: Origin): void;
}
