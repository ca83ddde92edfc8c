// `alert_thresholds.json`: simple thresholds by flat names, which become the rules of one group,
// `thresholds`. docs/rules.md has the names.
//
//   { "cpu_usage": 80, "disk_usage": {"warning": 80, "critical": 90, "for": "10m"},
//     "trade_success_rate": {"metric": "trade.success_rate", "condition": "< 95%"} }
//
// What is known by name needs no more than numbers, above which it alerts; any other name is a rule
// of its own with the keys of a rule file. Null switches one off.

import { closestWord } from '../../../config/errors.ts';
import { parseSource, type Source } from '../../../config/source.ts';
import { nodeOf, type ConfigNode } from '../../../config/tree.ts';
import { parseNumber } from './condition.ts';
import type { ReadRulesOptions } from './options.ts';
import { readRuleTree, type ReadRules } from './rules.ts';
import { ruleSchema } from './shape.ts';
import { knownKeys } from '../../../config/shape.ts';

export const THRESHOLDS = 'thresholds';

type MapNode = ConfigNode & { readonly kind: 'map' };

interface Known {
  /** What a number without a unit is: 80 is 80 %, or milliseconds. */
  readonly unit: '%' | 'ms';
  readonly rule: Readonly<Record<string, unknown>>;
}

/** Busy is what is neither idle nor waits for disks; of all processors of a host. */
const CPU_SQL = `SELECT host AS \`host.name\`, 1 - sumIf(grown, state IN ('idle', 'wait'))
    / sum(grown) AS value
  FROM (
    SELECT ResourceAttributes['host.name'] AS host, Attributes['cpu'] AS cpu,
      Attributes['state'] AS state, max(Value) - min(Value) AS grown
    FROM otel_metrics_sum
    WHERE MetricName = 'system.cpu.time'
      AND TimeUnix >= {from:DateTime64(9)} AND TimeUnix < {to:DateTime64(9)}
    GROUP BY host, cpu, state
  )
  GROUP BY host HAVING sum(grown) > 0`;

const MEMORY_SQL = `SELECT host AS \`host.name\`, sumIf(bytes, state = 'used') / sum(bytes) AS value
  FROM (
    SELECT ResourceAttributes['host.name'] AS host, Attributes['state'] AS state,
      avg(Value) AS bytes
    FROM otel_metrics_sum
    WHERE MetricName = 'system.memory.usage'
      AND TimeUnix >= {from:DateTime64(9)} AND TimeUnix < {to:DateTime64(9)}
    GROUP BY host, state
  )
  GROUP BY host HAVING sum(bytes) > 0`;

/** Of what users may use, as df shows it: what is reserved counts on neither side. */
const DISK_SQL = `SELECT host AS \`host.name\`, mountpoint AS \`mountpoint\`,
    sumIf(bytes, state = 'used') / sum(bytes) AS value
  FROM (
    SELECT ResourceAttributes['host.name'] AS host, Attributes['mountpoint'] AS mountpoint,
      Attributes['state'] AS state, argMax(Value, TimeUnix) AS bytes
    FROM otel_metrics_sum
    WHERE MetricName = 'system.filesystem.usage' AND Attributes['state'] IN ('used', 'free')
      AND TimeUnix >= {from:DateTime64(9)} AND TimeUnix < {to:DateTime64(9)}
    GROUP BY host, mountpoint, state
  )
  GROUP BY host, mountpoint HAVING sum(bytes) > 0`;

const SERVER = 'kind:server';

const KNOWN: Readonly<Record<string, Known>> = {
  cpu_usage: { unit: '%', rule: { sql: CPU_SQL, over: '5m', for: '5m', annotations: {
    summary: 'CPU of {{ $labels.host.name }} is {{ $value | humanizePercentage }} busy' } } },
  memory_usage: { unit: '%', rule: { sql: MEMORY_SQL, over: '5m', for: '5m', annotations: {
    summary: 'memory of {{ $labels.host.name }} is {{ $value | humanizePercentage }} used' } } },
  disk_usage: { unit: '%', rule: { sql: DISK_SQL, over: '5m', for: '5m', annotations: {
    summary: '{{ $labels.mountpoint }} of {{ $labels.host.name }} is '
      + '{{ $value | humanizePercentage }} full' } } },
  api_latency: { unit: 'ms', rule: { spans: SERVER, value: 'p95', over: '5m', by: ['service'],
    for: '5m', annotations: {
      summary: '95 % of requests to {{ $labels.service }} take up to '
        + '{{ $value | humanizeDuration }}' } } },
  error_rate: { unit: '%', rule: { spans: SERVER, value: 'error_rate', over: '5m', by: ['service'],
    for: '5m', annotations: {
      summary: '{{ $value | humanizePercentage }} of requests to {{ $labels.service }} fail' } } },
};

/** Keys of a rule that may stand beside thresholds; all others are names of severities. */
const BESIDE = ['for', 'keep_firing_for', 'labels', 'annotations', 'runbook', 'owner', 'no_data',
  'on_error'];
const SEVERITIES = ['info', 'warning', 'error', 'critical', 'page'];
const DEFAULT_SEVERITY = 'warning';

/** Reads thresholds; positions of problems are those of the JSON. Never throws. */
export function readThresholds(source: Source, options: ReadRulesOptions): ReadRules {
  const { root, problems } = parseSource(source, null);
  if (root === null) return { groups: [], problems };
  if (root.kind !== 'map') {
    const hint = 'write it like {"cpu_usage": 80}';
    const problem = { ...root.at, path: '', why: 'must be a group of keys', hint };
    return { groups: [], problems: [problem] };
  }
  const reader = new ThresholdReader();
  const rules = [...root.entries].flatMap(([name, node]) => reader.rule(name, node) ?? []);
  const { at } = root;
  const group = mapOf(root, { name: nodeOf(THRESHOLDS, { key: at, at }),
    rules: { kind: 'list', items: rules, key: at, at } });
  const whole = mapOf(root, { groups: { kind: 'list', items: [group], key: at, at } });
  const own = { ...options, origin: THRESHOLDS, problems: [...problems, ...reader.problems] };
  const read = readRuleTree(source, whole, own);
  const names = [...root.entries.keys()];
  // What a person wrote begins with the name, not with a group that nobody wrote.
  return { ...read, problems: read.problems.map((problem) => ({
    ...problem, path: ownPath(problem, root, names) })) };
}

type Problems = ReadRules['problems'];

/** The name below which the line stands. */
function ownPath(
  { path, line, column }: Problems[number],
  root: MapNode,
  names: readonly string[],
): string {
  if (!path.startsWith('groups')) return path;
  const above = names.filter((name) => {
    const key = root.entries.get(name)!.key!;
    return key.line < line || (key.line === line && key.column <= column);
  });
  return above.at(-1) ?? '';
}

class ThresholdReader {
  readonly problems: Problems[number][] = [];

  /** The node of a rule; null when something is wrong, or when it is switched off. */
  rule(name: string, node: ConfigNode): ConfigNode | null {
    if (node.kind === 'scalar' && node.value === null) return null;
    const known = KNOWN[name.replace(/_percent$/, '')];
    if (node.kind === 'map' && isRule(node)) return this.ownRule(name, node);
    if (known === undefined) {
      const closest = closestWord(name, Object.keys(KNOWN));
      return this.refuse(node.key ?? node.at, name, 'is no threshold that is known',
        closest !== null ? `did you mean ${closest}?`
          : 'write what it measures: {"metric": "NAME", "condition": "< 95%"}');
    }
    return node.kind === 'map' ? this.levels(name, node, known) : this.plain(name, node, known);
  }

  private ownRule(name: string, node: MapNode): ConfigNode {
    const alert = nodeOf(name, { key: node.key, at: node.key ?? node.at });
    return mapOf(node, { alert, ...Object.fromEntries(node.entries) });
  }

  private plain(name: string, node: ConfigNode, known: Known): ConfigNode | null {
    const condition = this.condition(name, node, known);
    return condition === null ? null : mapOf(node, {
      ...this.base(name, node, known), condition,
      severity: nodeOf(DEFAULT_SEVERITY, { key: node.key, at: node.at }),
    });
  }

  private levels(name: string, node: MapNode, known: Known): ConfigNode | null {
    const own = [...node.entries].filter(([key]) => BESIDE.includes(key));
    const levels = [...node.entries].filter(([key]) => !BESIDE.includes(key));
    if (levels.length === 0) {
      return this.refuse(node.at, name, 'has no threshold', 'write it like {"warning": 80}');
    }
    const wrong = levels.find(([key]) => !SEVERITIES.includes(key));
    if (wrong !== undefined) {
      const closest = closestWord(wrong[0], [...SEVERITIES, ...BESIDE]);
      return this.refuse(wrong[1].key ?? node.at, `${name}.${wrong[0]}`, 'unknown key',
        `${closest === null ? '' : `did you mean ${closest}? `}known: ${SEVERITIES.join(', ')}, ${
          BESIDE.join(', ')}`);
    }
    const conditions = levels.map(([key, value]) =>
      [key, this.condition(`${name}.${key}`, value, known)] as const);
    if (conditions.some(([, condition]) => condition === null)) return null;
    return mapOf(node, { ...this.base(name, node, known), ...Object.fromEntries(own),
      levels: mapOf(node, Object.fromEntries(conditions) as Record<string, ConfigNode>) });
  }

  private base(name: string, node: ConfigNode, { rule }: Known): Record<string, ConfigNode> {
    const place = { key: node.key, at: node.at };
    return Object.fromEntries(Object.entries({ alert: name, ...rule })
      .map(([key, value]) => [key, nodeOf(value, place)]));
  }

  /** `80` is `> 80%`; what has a unit of its own keeps it. */
  private condition(path: string, node: ConfigNode, { unit }: Known): ConfigNode | null {
    const value = node.kind === 'scalar' ? node.value : null;
    const isText = typeof value === 'string';
    const number = isText ? parseNumber(value) : typeof value === 'number' ? value : null;
    const place = node.kind === 'scalar' ? node.at : node.key ?? node.at;
    const hint = unit === '%' ? 'write a percentage, such as 80'
      : 'write milliseconds, such as 500';
    if (number === null || number < 0) return this.refuse(place, path, 'is no threshold', hint);
    const isPlain = !isText || /^[\d.]+$/.test(value.trim());
    if (isPlain && unit === '%' && (number > 100 || (number > 0 && number < 1))) {
      return this.refuse(place, path, number > 100 ? 'is more than 100 %'
        : 'may be a share or a percentage', number > 100 ? hint
        : `write "${number}%" or "${Number((number * 100).toPrecision(12))}%"`);
    }
    const text = isPlain ? `> ${number}${unit}` : `> ${value}`;
    return nodeOf(text, { key: node.key, at: node.at });
  }

  private refuse(at: Problems[number] | ConfigNode['at'], path: string, why: string,
    hint: string): null {
    const { file, line, column } = at;
    this.problems.push({ file, line, column, path, why, hint });
    return null;
  }
}

const mapOf = ({ key, at }: ConfigNode, entries: Readonly<Record<string, ConfigNode>>): MapNode =>
  ({ kind: 'map', key, at, entries: new Map(Object.entries(entries)) });

const RULE_KEYS = knownKeys(ruleSchema()).filter((key) => !BESIDE.includes(key));

/** It says what it measures, or how. */
const isRule = (node: MapNode): boolean =>
  [...node.entries.keys()].some((key) => RULE_KEYS.includes(key));
