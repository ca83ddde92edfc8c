// Settings that a statement may carry, in `SETTINGS name = value` or in a client's request. They
// change how a result is computed or written, never what may be read. Limits of time, rows and
// memory are among them: whoever runs the statement takes the lower of what is asked and what is
// allowed, and for 0, which is no limit in ClickHouse, what is allowed. A session is locked with
// LOCKED_SETTINGS and `readonly=1` besides, so a setting that got by would change nothing.

import { GateError } from './errors.ts';
import { nearest } from './nearest.ts';

/** Values are whole numbers, booleans or short words; the longest that is taken. */
const VALUE_CHARACTERS_MAX = 100;

const NUMBER = /^\d{1,15}$/;
const SMALL = /^\d{1,6}$/;
const SWITCH = /^(?:0|1|true|false)$/;
const WORDS = /^[A-Za-z0-9_,/+ -]*$/;
const ONE_CHARACTER = /^[ -~\t]$/;

const SETTINGS: ReadonlyMap<string, RegExp> = new Map([
  ...rows(SMALL, 'max_threads max_block_size'),
  ...rows(NUMBER, `max_execution_time max_result_rows max_result_bytes max_rows_to_read
    max_bytes_to_read max_memory_usage max_rows_to_group_by max_bytes_before_external_group_by
    max_bytes_before_external_sort group_by_two_level_threshold limit offset`),
  ...rows(SWITCH, `final extremes join_use_nulls group_by_use_nulls transform_null_in
    aggregate_functions_null_for_empty optimize_read_in_order optimize_aggregation_in_order
    prefer_column_name_to_alias use_skip_indexes optimize_use_projections
    cast_keep_nullable any_join_distinct_right_table_keys optimize_move_to_prewhere
    enable_positional_arguments asterisk_include_alias_columns
    describe_compact_output describe_include_subcolumns send_progress_in_http_headers
    wait_end_of_query add_http_cors_header enable_http_compression`),
  ...rows(WORDS, `join_algorithm session_timezone union_default_mode except_default_mode
    intersect_default_mode join_default_strictness result_overflow_mode read_overflow_mode
    timeout_overflow_mode group_by_overflow_mode totals_mode date_time_output_format
    interval_output_format bool_true_representation`),
  ...rows(NUMBER, 'http_zlib_compression_level http_headers_progress_interval_ms'),
  ...rows(ONE_CHARACTER, 'format_csv_delimiter'),
]);

/** How results are written; none of these names a file. */
const OUTPUT = /^output_format_[a-z0-9_]+$/;
const OUTPUT_REFUSED = /schema|template|registry|file_?name|_url$/;

/**
 * For whoever runs a checked statement, in addition to its limits: what a session has before
 * `readonly=1` locks it. Bounds of parsing and planning, which take time before any limit of time
 * counts, and whatever would open a way out.
 */
export const LOCKED_SETTINGS: Readonly<Record<string, string>> = {
  allow_ddl: '0',
  allow_introspection_functions: '0',
  implicit_select: '0',
  dialect: 'clickhouse',
  max_ast_depth: '500',
  max_ast_elements: '20000',
  max_expanded_ast_elements: '100000',
  max_parser_depth: '500',
  max_subquery_depth: '50',
  max_hyperscan_regexp_length: '1000',
  max_hyperscan_regexp_total_length: '10000',
};

/** Throws GateError unless a statement, or a client, may set this. */
export function checkSetting(name: string, value: string): void {
  const pattern = OUTPUT.test(name) && !OUTPUT_REFUSED.test(name) ? WORDS : SETTINGS.get(name);
  if (pattern === undefined) {
    const close = nearest(name, SETTINGS.keys());
    throw new GateError('SETTING_DENIED', `the setting ${name.slice(0, 80)} may not be changed`,
      close === null ? 'leave it away; docs/sql.md lists the settings that may be set'
        : `leave it away, or did you mean ${close}?`, name);
  }
  if (value.length > VALUE_CHARACTERS_MAX || !pattern.test(value)) {
    throw new GateError('SETTING_DENIED', `the setting ${name} cannot have this value`,
      'give a plain number or word', name);
  }
}

/** The names that `checkSetting` knows, for the documents. */
export const SETTING_NAMES: readonly string[] = [...SETTINGS.keys()];

function rows(pattern: RegExp, names: string): (readonly [string, RegExp])[] {
  return names.split(/\s+/).filter((name) => name !== '').map((name) => [name, pattern] as const);
}
