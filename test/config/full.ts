// Writes agent.full.yaml from the schemas of the components: every key with its default and its
// description; a key without a default stands in a comment. UPDATE_GOLDEN=1 writes the file.

import { stringify } from 'yaml';
import {
  SECTIONS, SIGNAL_NAMES, type ComponentSchema, type SignalName,
} from '../../config/components.ts';
import { agentSchema } from '../../config/pipelines.ts';
import { defaultOf, describe, layersOf, shapeOf, typeOf, type Schema } from './schemas.ts';

type Written = Record<string, unknown> | null;

/** What a component cannot do without, by kind and type; also what the full file shows of it. */
export const REQUIRED: Record<string, Record<string, Written | unknown>> = {
  'receiver.file_log': { include: ['/var/log/*.log'] },
  'receiver.host_metrics': {
    scrapers: Object.fromEntries([
      'cpu', 'memory', 'load', 'disk', 'filesystem', 'network', 'paging', 'processes', 'process',
      'system', 'pressure', 'cgroup', 'hardware',
    ].map((name) => [name, null])),
  },
  'receiver.otlp': { protocols: { grpc: null, http: null } },
  'receiver.prometheus': { config: { scrape_configs: [
    { job_name: 'node', static_configs: [{ targets: ['localhost:9100'] }] },
  ] } },
  'receiver.syslog': { tcp: { listen_address: 'localhost:54526' }, protocol: 'rfc5424' },
  'processor.attributes': { actions: [{ key: 'team', value: 'checkout', action: 'insert' }] },
  'processor.memory_limiter': { check_interval: '1s', limit_mib: 512 },
  'processor.probabilistic_sampler': { sampling_percentage: 10 },
  'processor.rate_limit': { records_per_second: 1000 },
  'processor.resource': { attributes: [{ key: 'env', value: 'production', action: 'upsert' }] },
  'processor.tail_sampling': {
    policies: [{ name: 'errors', type: 'status_code', status_code: { status_codes: ['ERROR'] } }],
  },
  'exporter.file': { path: './data/out.json' },
  'exporter.load_balancing': {
    protocol: { otlp: null },
    resolver: { static: { hostnames: ['backend-1:4317', 'backend-2:4317'] } },
  },
  'exporter.otlp': { endpoint: 'localhost:14317' },
  'exporter.otlp_grpc': { endpoint: 'localhost:14317' },
  'exporter.otlp_http': { endpoint: 'http://localhost:8080' },
  'exporter.prometheus': { endpoint: 'localhost:9464' },
  'connector.routing': {
    default_pipelines: ['traces/joined', 'metrics/joined', 'logs/joined'],
    table: [{ condition: 'attributes["team"] == "a"', pipelines: ['logs/joined'] }],
  },
  'extension.basic_auth': { htpasswd: { file: '/etc/binnacle/users' } },
  'extension.bearer_token_auth': { filename: '/etc/binnacle/tokens' },
};

const HEAD = `# Every key of an agent with its default; keys without one stand in comments.
# A file needs only what differs from this. Tests hold that it says what components do by default.
#
# Any key can also be set from the environment: BINNACLE_ and its path, upper case, with _ between,
# as in BINNACLE_EXPORTERS_OTLP_ENDPOINT. A value may hold \${env:NAME} or \${env:NAME:-default}.
# Time spans: 200ms, 30s, 1m30s, 24h. Sizes: 4096, 64KiB, 1MiB. A component's id is type or
# type/name; a type may be spelt as the Collector's older versions do (filelog, hostmetrics).
`;

export function fullAgentFile(components: readonly ComponentSchema[]): string {
  const { data_dir: dataDir, plugins, service } = shapeOf(agentSchema());
  const { telemetry, reload } = shapeOf(service!);
  const sections = Object.entries(SECTIONS).flatMap(([section, kind]) => {
    const ofKind = components.filter((one) => one.kind === kind);
    if (ofKind.length === 0) return [];
    return ['', `${section}:`, ...ofKind.flatMap(({ type, schema }) => [
      `  ${type}:`, ...keys(schema, REQUIRED[`${kind}.${type}`] ?? {}, '    '),
    ])];
  });
  return `${HEAD}\n${[
    ...key('data_dir', dataDir!, undefined, ''),
    ...key('plugins', plugins!, undefined, ''),
    ...sections,
    '', 'service:',
    ...extensionLines(components),
    '  pipelines: # How data flows: traces, metrics, logs, each also as signal/name.',
    ...SIGNAL_NAMES.flatMap((signal) => pipelineLines(signal, components)),
    ...SIGNAL_NAMES.flatMap((signal) => joinedLines(signal, components)),
    ...key('telemetry', telemetry!, undefined, '  '),
    ...key('reload', reload!, undefined, '  '),
  ].join('\n')}\n`;
}

function extensionLines(components: readonly ComponentSchema[]): string[] {
  const types = components.filter(({ kind }) => kind === 'extension').map(({ type }) => type);
  return [`  extensions: [${types.join(', ')}] # Extensions that run.`];
}

function pipelineLines(signal: string, components: readonly ComponentSchema[]): string[] {
  const list = (kind: string) => {
    const types = components.filter((one) =>
      one.kind === kind && (one.signals as readonly string[]).includes(signal))
      .map(({ type }) => type)
      .sort((a, b) => orderOf(a) - orderOf(b));
    return types.join(', ');
  };
  if (list('receiver') === '' || list('exporter') === '') return [];
  return [
    `    ${signal}:`,
    `      receivers: [${list('receiver')}] # Where the data comes from.`,
    `      processors: [${list('processor')}] # In this order.`,
    `      exporters: [${[list('exporter'), list('connector')].filter((one) => one !== '')
      .join(', ')}] # Where it goes; each gets everything.`,
  ];
}

/** The pipelines that connectors begin. */
function joinedLines(signal: SignalName, components: readonly ComponentSchema[]): string[] {
  const types = components.filter((one) => one.kind === 'connector' && one.signals.some((taken) =>
    (one.gives?.(taken) ?? [taken]).includes(signal))).map(({ type }) => type);
  if (types.length === 0) return [];
  return [
    `    ${signal}/joined: # What connectors give.`,
    `      receivers: [${types.join(', ')}]`,
    '      exporters: [debug]',
  ];
}

/** Refusing comes first, gathering last. */
const orderOf = (type: string) => (type === 'memory_limiter' ? 0 : type === 'batch' ? 2 : 1);

function keys(schema: Schema, written: Written, indent: string): string[] {
  return Object.entries(shapeOf(schema)).flatMap(([name, child]) =>
    key(name, child, written?.[name], indent, written !== null && name in written));
}

function key(
  name: string,
  schema: Schema,
  written: unknown,
  indent: string,
  isWritten = false,
): string[] {
  const layers = layersOf(schema);
  const fallback = isWritten ? { value: written } : defaultOf(layers);
  const isSection = typeOf(layers.at(-1)!) === 'object';
  const description = describe(schema);
  if (fallback === null) {
    const inner = isSection ? keys(schema, null, '').map(uncommented) : [];
    return [explained(`${indent}# ${name}:`, description, indent),
      ...inner.map((line) => `${indent}#   ${line}`)];
  }
  if (!isSection) {
    const value = stringify(fallback.value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
    return [explained(`${indent}${name}: ${value}`, description, indent)];
  }
  const inner = keys(schema, (fallback.value ?? {}) as Written, `${indent}  `);
  // A switch is clearer in one line.
  const isSwitch = Object.keys(shapeOf(schema)).join() === 'enabled';
  if (!isSwitch) return [explained(`${indent}${name}:`, description, indent), ...inner];
  const setting = inner[0]!.trim().replace(/ #.*/, '');
  return [explained(`${indent}${name}: { ${setting} }`, description, indent)];
}

function explained(line: string, description: string | undefined, indent: string): string {
  if (description === undefined) return line;
  const together = `${line} # ${description}`;
  return together.length <= 100 ? together : `${indent}# ${description}\n${line}`;
}

const uncommented = (line: string) => line.replace(/^# (?=\w+:)/, '').replaceAll('\n', '\n# ');
