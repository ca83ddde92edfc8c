// All operators: the one place that knows them.

import { add, copy, flatten, move, remove, retain } from './carrying.ts';
import { filter, noop, router } from './choosing.ts';
import { container } from './parsers/container.ts';
import { csvParser } from './parsers/csv.ts';
import { jsonArrayParser, jsonParser } from './parsers/json.ts';
import { keyValueParser } from './parsers/key_value.ts';
import { regexParser } from './parsers/regex.ts';
import { syslogParser } from './parsers/syslog.ts';
import { uriParser } from './parsers/uri.ts';
import { preset } from './preset.ts';
import { recombine } from './recombine.ts';
import { scopeNameParser } from './scope_name.ts';
import { severityParser } from './severity.ts';
import type { Definition } from './step.ts';
import { assignKeys, regexReplace, unquote } from './texts.ts';
import { timeParser } from './time.ts';
import { traceParser } from './trace.ts';

export const DEFINITIONS: Readonly<Record<string, Definition>> = {
  add,
  assign_keys: assignKeys,
  container,
  copy,
  csv_parser: csvParser,
  filter,
  flatten,
  json_array_parser: jsonArrayParser,
  json_parser: jsonParser,
  key_value_parser: keyValueParser,
  move,
  noop,
  preset,
  recombine,
  regex_parser: regexParser,
  regex_replace: regexReplace,
  remove,
  retain,
  router,
  scope_name_parser: scopeNameParser,
  severity_parser: severityParser,
  syslog_parser: syslogParser,
  time_parser: timeParser,
  trace_parser: traceParser,
  unquote,
  uri_parser: uriParser,
};
