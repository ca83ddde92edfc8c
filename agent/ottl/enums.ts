// The names in capitals that stand for ints, as the OTLP specification and the Collector have them.
// All contexts know all of them.

const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

const severities = levels.flatMap((level, index) => ['', '2', '3', '4'].map((suffix, step) =>
  [`SEVERITY_NUMBER_${level}${suffix}`, index * 4 + step + 1] as const));

const numbered = (prefix: string, names: readonly string[]) =>
  names.map((name, index) => [`${prefix}${name}`, index] as const);

export const ENUMS: ReadonlyMap<string, bigint> = new Map([
  ...numbered('SPAN_KIND_', [
    'UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER',
  ]),
  ...numbered('STATUS_CODE_', ['UNSET', 'OK', 'ERROR']),
  ['SEVERITY_NUMBER_UNSPECIFIED', 0] as const,
  ...severities,
  ...numbered('METRIC_DATA_TYPE_', [
    'NONE', 'GAUGE', 'SUM', 'HISTOGRAM', 'EXPONENTIAL_HISTOGRAM', 'SUMMARY',
  ]),
  ...numbered('AGGREGATION_TEMPORALITY_', ['UNSPECIFIED', 'DELTA', 'CUMULATIVE']),
  ...numbered('FLAG_', ['NONE', 'NO_RECORDED_VALUE']),
].map(([name, value]) => [name, BigInt(value)]));
