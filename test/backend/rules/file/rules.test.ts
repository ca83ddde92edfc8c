// Rule files: every *.bad.yaml of test/golden/rules is refused with exactly the sentences of the
// comments at its beginning (UPDATE_GOLDEN=1 writes them), every *.good.yaml is read without any;
// and what rules become.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeProblem } from '../../../../config/errors.ts';
import { readRules } from '../../../../backend/rules/file/rules.ts';
import type { Rule } from '../../../../backend/rules/model.ts';

const FOLDER = 'test/golden/rules';
const DAY_MS = 86_400_000;
const OPTIONS = { retentionMs: 35 * DAY_MS };

const sentencesOf = (file: string, text: string): string[] => readRules({ file, text }, OPTIONS)
  .problems.map((problem) => describeProblem(problem).replace(`${file}:`, '# '));

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.bad.yaml'))) {
  test(`rule files: ${file}`, () => {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    const head = text.split('\n').findIndex((line) => !line.startsWith('#'));
    const sentences = sentencesOf(file, text);
    assert.ok(sentences.length > 0);
    if (process.env['UPDATE_GOLDEN'] === '1') {
      const body = text.split('\n').slice(head).join('\n');
      const places = sentences.map(() => '#').join('\n');
      const written = sentencesOf(file, `${places}\n${body}`);
      writeFileSync(join(FOLDER, file), `${written.join('\n')}\n${body}`);
      return;
    }
    assert.deepEqual(sentences, text.split('\n').slice(0, head));
  });
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.good.yaml'))) {
  test(`rule files: ${file}`, () => {
    assert.deepEqual(sentencesOf(file, readFileSync(join(FOLDER, file), 'utf8')), []);
  });
}

function rule(text: string): Rule {
  const lines = text.trim().split('\n').map((line) => `    ${line}`).join('\n');
  const whole = `groups:\n- name: g\n  rules:\n  -\n${lines}\n`;
  const { groups, problems } = readRules({ file: 'r.yaml', text: whole }, OPTIONS);
  assert.deepEqual(problems.map(describeProblem), []);
  return groups[0]!.rules[0]!;
}

const kinds = () => {
  const file = 'kinds.good.yaml';
  const { groups } = readRules({ file, text: readFileSync(join(FOLDER, file), 'utf8') }, OPTIONS);
  return Object.fromEntries(groups.flatMap((group) => group.rules).map((one) => [one.name, one]));
};

test('rule files: a rule of logs', () => {
  const { source, levels, text, position, labels, id } = kinds()['CheckoutErrors']!;
  assert.ok(source.type === 'signal');
  assert.deepEqual(source.query.aggregate, { type: 'rate' });
  assert.equal(source.query.overMs, 300_000);
  assert.deepEqual(source.query.groupBy, ['service']);
  assert.deepEqual(levels, [{ severity: 'warning',
    condition: { operator: '>', value: 5, to: 5 }, forMs: 300_000 }]);
  assert.match(text, /^alert: CheckoutErrors\nlogs: 'service[^]*\nowner: shop-team$/);
  assert.deepEqual(position, { file: 'kinds.good.yaml', line: 7 });
  assert.equal(labels['team']!.text, 'shop');
  assert.match(id, /^[0-9a-f]{16}$/);
});

test('rule files: levels are ordered, the least severe first', () => {
  const { levels } = kinds()['Levels']!;
  assert.deepEqual(levels, [
    { severity: 'warning', condition: { operator: '>=', value: 0.25, to: 0.25 }, forMs: 0 },
    { severity: 'critical', condition: { operator: '>', value: 20, to: 20 }, forMs: 60_000 },
  ]);
});

test('rule files: forecast, change, anomaly, absence', () => {
  const { DiskFills, Slower, Odd, Quiet } = kinds();
  assert.ok(DiskFills!.source.type === 'forecast');
  assert.deepEqual(DiskFills!.source.forecast, { withinMs: 2 * DAY_MS, historyMs: DAY_MS,
    stepMs: 300_000, reaches: { operator: '>=', value: 0.95, to: 0.95 } });
  assert.deepEqual(DiskFills!.levels[0].condition, { operator: '<=', value: 172_800, to: 172_800 });
  assert.ok(Slower!.source.type === 'change');
  assert.deepEqual([Slower!.source.backMs, Slower!.source.as], [3_600_000, 'percent']);
  assert.deepEqual(Slower!.source.query.aggregate,
    { type: 'quantile', field: 'duration', level: 0.95 });
  assert.ok(Odd!.source.type === 'anomaly');
  assert.deepEqual(Odd!.source.anomaly.points, { atLeast: 3, of: 5 });
  assert.deepEqual(Odd!.levels[0].condition, { operator: '>', value: 3.5, to: 3.5 });
  assert.ok(Quiet!.source.type === 'absence');
  assert.deepEqual(Quiet!.source.expected, [{ service: 'billing' }]);
  assert.equal(Quiet!.levels[0].condition.value, 600);
});

test('rule files: an objective has the windows of the SRE workbook, and their severities', () => {
  const { source, levels } = kinds()['CheckoutSlo']!;
  assert.ok(source.type === 'slo');
  const HOUR_MS = 3_600_000;
  assert.deepEqual(source.slo.windows, [
    { severity: 'page', longMs: HOUR_MS, shortMs: HOUR_MS / 12, factor: 14.4 },
    { severity: 'page', longMs: 6 * HOUR_MS, shortMs: HOUR_MS / 2, factor: 6 },
    { severity: 'ticket', longMs: 72 * HOUR_MS, shortMs: 6 * HOUR_MS, factor: 1 },
  ]);
  assert.equal(source.slo.objective, 0.999);
  assert.deepEqual(levels.map(({ severity }) => severity), ['ticket', 'page']);
});

test('rule files: units of conditions', () => {
  const check = (condition: string, operator: string, value: number, to = value) => {
    const { levels } = rule(`alert: A\nlogs: a\ncondition: '${condition}'`);
    assert.deepEqual(levels[0].condition, { operator, value, to });
  };
  check('> 5', '>', 5);
  check('>=1.5', '>=', 1.5);
  check('< 95%', '<', 0.95);
  check('!= 99.9%', '!=', 0.999);
  check('= -3', '==', -3);
  check('> 250ms', '>', 0.25);
  check('> 2GiB', '>', 2 * 1024 ** 3);
  check('> 1e3', '>', 1000);
  check('outside 10..20', 'outside', 10, 20);
  check('within -1 .. 1m30s', 'within', -1, 90);
  const percent = rule('alert: A\nlogs: a\nchange: {from: 1h}\ncondition: "> 50%"');
  assert.equal(percent.levels[0].condition.value, 50, 'a change in percent');
});

test('rule files: ids stay, and differ for equal names', () => {
  const text = readFileSync(join(FOLDER, 'names.good.yaml'), 'utf8');
  const ids = () => readRules({ file: 'a.yaml', text }, OPTIONS).groups
    .flatMap((group) => group.rules).map(({ id }) => id);
  assert.deepEqual(ids(), ids());
  assert.equal(new Set(ids()).size, 2);
  const other = readRules({ file: 'b.yaml', text }, OPTIONS).groups[0]!.rules[0]!;
  assert.ok(!ids().includes(other.id));
});

test('rule files: what leans on an anchor is shown written out', () => {
  const text = readFileSync(join(FOLDER, 'names.good.yaml'), 'utf8');
  const { groups } = readRules({ file: 'a.yaml', text }, OPTIONS);
  const [first, second] = groups[0]!.rules;
  assert.equal(second!.levels[0].severity, 'page');
  assert.equal(second!.labels['severity'], undefined);
  assert.match(second!.text, /^alert: Errors\nlogs: level:error/);
  assert.equal(first!.labels['tier']!.text, '1');
  assert.equal(groups[1]!.rules.length, 0);
});

test('rule files: a composite may name rules of other files', () => {
  const others = readRules({ file: 'b.yaml',
    text: 'groups: [{name: b, rules: [{alert: Other, logs: a, condition: "> 1"}]}]' }, OPTIONS);
  const text = 'groups: [{name: a, rules: [{alert: A, composite: Other}]}]';
  assert.equal(readRules({ file: 'a.yaml', text }, OPTIONS).problems.length, 1);
  const read = readRules({ file: 'a.yaml', text }, { ...OPTIONS, others: others.groups });
  assert.deepEqual(read.problems, []);
});

test('rule files: random texts never throw', () => {
  const good = readFileSync(join(FOLDER, 'kinds.good.yaml'), 'utf8');
  let seed = 11;
  const next = (count: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % count;
  };
  for (let round = 0; round < 60; round += 1) {
    const [from, to] = [next(good.length), next(good.length)];
    const text = good.slice(0, from) + good.slice(to, to + next(20)) + good.slice(from + next(4));
    for (const { line, column, why } of readRules({ file: 'x', text }, OPTIONS).problems) {
      assert.ok(line >= 1 && column >= 1 && why !== '', text);
    }
  }
});
