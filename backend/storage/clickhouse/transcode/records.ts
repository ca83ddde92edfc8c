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

/**
 * Runs the reading of one record. On a broken one it takes back what was written, moves the reader
 * behind it and goes on.
 */
export interface Attempts {
  run(read: (source: Source, origin: Origin) => void, source: Source, origin: Origin): void;
}
