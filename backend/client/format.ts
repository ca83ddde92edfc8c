// In which form results are wanted: short names that people type, ClickHouse's own names, what the
// end of a file's name says, and what is usual where nothing was said.
//
// Who asks at a terminal sees a table. In a pipe it is tab-separated text without a header, as
// clickhouse-client has it, so that `n=$(binnacle query "SELECT count() …")` is a number.

import { OperatorError } from '../../runtime/errors.ts';

export type Form =
  /** Drawn here, from rows in ROWS_FORMAT. */
  | { readonly kind: 'table' | 'vertical' }
  /** Passed on as the store writes it. */
  | { readonly kind: 'raw'; readonly format: string };

/** Names, types and rows, each a line of JSON with texts. */
export const ROWS_FORMAT = 'JSONCompactStringsEachRowWithNamesAndTypes';

/** Ours are lower case; those in files have a header line where the format can have one. */
const SHORT: Readonly<Record<string, string>> = {
  json: 'JSON', ndjson: 'JSONEachRow', jsonl: 'JSONEachRow', csv: 'CSVWithNames',
  tsv: 'TSVWithNames', parquet: 'Parquet', arrow: 'Arrow', markdown: 'Markdown', md: 'Markdown',
};

export const PIPE_FORMAT = 'TabSeparated';

export interface Wanted {
  /** What a person said, if anything. */
  readonly format?: string | undefined;
  /** The file that it goes to, if any. */
  readonly file?: string | undefined;
  readonly isTerminal: boolean;
}

export function formOf({ format, file, isTerminal }: Wanted): Form {
  if (format !== undefined) return named(format);
  if (file !== undefined) {
    const end = /\.([a-z]+)$/.exec(file)?.[1] ?? '';
    return { kind: 'raw', format: SHORT[end] ?? PIPE_FORMAT };
  }
  return isTerminal ? { kind: 'table' } : { kind: 'raw', format: PIPE_FORMAT };
}

function named(format: string): Form {
  if (format === 'table' || format === 'vertical') return { kind: format };
  if (!/^[A-Za-z0-9]+$/.test(format)) {
    throw new OperatorError(`'${format}' is no format`,
      'take table, vertical, json, ndjson, csv, tsv, parquet, or a format of ClickHouse');
  }
  return { kind: 'raw', format: SHORT[format] ?? format };
}
