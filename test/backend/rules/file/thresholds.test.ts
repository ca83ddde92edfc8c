// The file of thresholds: what numbers, texts and severities become, that whole rules may stand
// there, and that every mistake is told at its place in the JSON.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeProblem } from '../../../../config/errors.ts';
import { readThresholds } from '../../../../backend/rules/file/thresholds.ts';

const read = (text: string) =>
  readThresholds({ file: 't.json', text }, { retentionMs: 30 * 86_400_000 });

function rules(value: object) {
  const { groups, problems } = read(JSON.stringify(value));
  assert.deepEqual(problems.map(describeProblem), []);
  assert.deepEqual(groups.map(({ name, file }) => [name, file]), [['thresholds', 'thresholds']]);
  return groups[0]!.rules;
}

const levels = (value: unknown, name = 'cpu_usage') => rules({ [name]: value })[0]!.levels
  .map(({ severity, condition: { operator, value: limit }, forMs }) =>
    `${severity} ${operator} ${limit} ${forMs / 60_000}m`);

test('thresholds: numbers are percentages or milliseconds', () => {
  assert.deepEqual(levels(80), ['warning > 0.8 5m']);
  assert.deepEqual(levels('85.5%'), ['warning > 0.855 5m']);
  assert.deepEqual(levels('85'), ['warning > 0.85 5m']);
  assert.deepEqual(levels(5, 'error_rate'), ['warning > 0.05 5m']);
  assert.deepEqual(levels('0.5%', 'error_rate'), ['warning > 0.005 5m']);
  assert.deepEqual(levels(1000, 'api_latency'), ['warning > 1 5m']);
  assert.deepEqual(levels('1.5s', 'api_latency'), ['warning > 1.5 5m']);
  assert.deepEqual(levels(90, 'disk_usage_percent'), ['warning > 0.9 5m']);
});

test('thresholds: severities, and what may stand beside them', () => {
  const value = { critical: 90, warning: 80, for: '10m', labels: { team: 'ops' }, owner: 'me' };
  assert.deepEqual(levels(value), ['warning > 0.8 10m', 'critical > 0.9 10m']);
  const [rule] = rules({ memory_usage: value });
  assert.deepEqual([rule!.name, rule!.labels['team']!.text, rule!.owner],
    ['memory_usage', 'ops', 'me']);
  assert.match(rule!.annotations['summary']!.text, /host\.name/);
});

test('thresholds: null switches one off, and a whole rule may stand there', () => {
  const found = rules({ cpu_usage: null,
    trade_success_rate: { metric: 'trade.success', condition: '< 95%', severity: 'page' },
    error_rate: { logs: '', value: 'error_rate', condition: '> 10%' } });
  assert.deepEqual(found.map(({ name, source }) => [name, source.type]),
    [['trade_success_rate', 'signal'], ['error_rate', 'signal']]);
  assert.deepEqual(found[0]!.position, { file: 't.json', line: 1 });
});

test('thresholds: mistakes are told at their place', () => {
  const refused = (text: string, ...want: string[]) =>
    assert.deepEqual(read(text).problems.map(describeProblem), want);
  refused('{"cpu_usage": 0.8}',
    't.json:1:15: cpu_usage: may be a share or a percentage; write "0.8%" or "80%"');
  refused('{"memmory_usage": 80}',
    't.json:1:2: memmory_usage: is no threshold that is known; did you mean memory_usage?');
  refused('{"error_rate": 500}',
    't.json:1:16: error_rate: is more than 100 %; write a percentage, such as 80');
  refused('{"api_latency": "much"}',
    't.json:1:17: api_latency: is no threshold; write milliseconds, such as 500');
  refused('{"trade_success_rate": 0.95}', 't.json:1:2: trade_success_rate: is no threshold that is '
    + 'known; write what it measures: {"metric": "NAME", "condition": "< 95%"}');
  refused('{"cpu_usage": {"for": "5m"}}',
    't.json:1:15: cpu_usage: has no threshold; write it like {"warning": 80}');
  refused('{\n  "cpu_usage": {"warning": 80, "critcal": 90, "for": "5x"}\n}',
    't.json:2:32: cpu_usage.critcal: unknown key; did you mean critical? known: info, warning, '
    + 'error, critical, page, for, keep_firing_for, labels, annotations, runbook, owner, no_data, '
    + 'on_error');
  refused('{"cpu_usage": {"warning": 80, "for": "5x"}}',
    't.json:1:38: cpu_usage: is not a duration; write it like 200ms, 30s or 1m30s');
  refused('{"a": {"metric": "m", "condition": "> 1", "annotations": {"x": "{{ $labels.y }}"}}}',
    't.json:1:68: a: the rule has no label y; write it behind by, or use one of severity');
  refused('[1]', 't.json:1:1: must be a group of keys; write it like {"cpu_usage": 80}');
  assert.match(describeProblem(read('{"a": 1').problems[0]!), /^t\.json:1:8: this is not YAML/);
});
