// How well the mask processor tells secrets from what only looks like some: every line of
// test/golden/mask/corpus.txt goes through it as the body of a log record, or as the value of an
// attribute. A secret counts as found when its rule counted it and it is gone; whatever else
// changed, or was counted, counts against precision. Prints both for each rule.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RULE_NAMES } from '../../../../agent/processors/mask/rules.ts';
import { createChecked, type Checked } from './checked.ts';

const LEAST = 0.98;
const file = new URL('../../../golden/mask/corpus.txt', import.meta.url);

interface Labelled {
  readonly text: string;
  /** The attribute whose value it is; '' for the body of a log record. */
  readonly key: string;
  readonly secrets: readonly { readonly rule: string; readonly text: string }[];
  /** What stands before, between and behind the secrets. */
  readonly rest: readonly string[];
}

function readCorpus(): Labelled[] {
  return readFileSync(file, 'utf8').split('\n')
    .filter((line) => line !== '' && !line.startsWith('# '))
    .map((line) => {
      const [, key = '', marked = ''] = /^(?:@(\S+) )?(.*)$/s.exec(line.replaceAll('·', ''))!;
      const unescaped = marked.replace(/(?<=-----)\\n|\\n(?=-----|[\w+/]{64})/g, '\n');
      const found = [...unescaped.matchAll(/⟦(\w+):(.*?)⟧/gs)];
      return {
        key,
        text: unescaped.replace(/⟦\w+:(.*?)⟧/gs, '$1'),
        secrets: found.map(([, rule, text]) => ({ rule: rule!, text: text! })),
        rest: unescaped.split(/⟦.*?⟧/s),
      };
    });
}

class Score {
  found = 0;
  missed = 0;
  wrong = 0;
  precision = (): number => this.found / Math.max(1, this.found + this.wrong);
  recall = (): number => this.found / Math.max(1, this.found + this.missed);
}

test('mask: finds what is labelled, and little else', async () => {
  const scores = new Map(RULE_NAMES.map((name) => [name, new Score()]));
  const all = new Score();
  const checked = await createChecked();
  const lines = readCorpus();
  for (const line of lines) await judge(line, checked, scores, all);
  console.log(`${lines.length} lines`);
  for (const [name, score] of [...scores, ['all', all] as const]) {
    const { found, missed, wrong } = score;
    if (found + missed + wrong === 0) continue;
    console.log(`${name.padEnd(14)} precision ${score.precision().toFixed(3)}`
      + ` recall ${score.recall().toFixed(3)} (found ${found}, missed ${missed}, wrong ${wrong})`);
  }
  assert.ok(all.precision() >= LEAST, `precision ${all.precision()}`);
  assert.ok(all.recall() >= LEAST, `recall ${all.recall()}`);
  for (const name of RULE_NAMES) {
    const { found, missed } = scores.get(name)!;
    if (!UNLABELLED.has(name)) assert.ok(found + missed >= 4, `${name}: few lines`);
  }
});

/** Not on at the level that ships. */
const UNLABELLED = new Set(['ip_address', 'user_name']);

async function judge(
  { text, key, secrets, rest }: Labelled,
  checked: Checked,
  scores: ReadonlyMap<string, Score>,
  all: Score,
): Promise<void> {
  const { masked, counts } = await checked.mask(text, key);
  const kept = rest.reduce((at, part) => {
    const next = at === -1 ? -1 : masked.indexOf(part, at);
    return next === -1 ? -1 : next + part.length;
  }, 0) !== -1;
  const problems: string[] = [];
  for (const rule of new Set([...counts.keys(), ...secrets.map((one) => one.rule)])) {
    const labelled = secrets.filter((one) => one.rule === rule);
    const gone = labelled.filter((one) => !masked.includes(one.text)).length;
    const counted = counts.get(rule) ?? 0;
    const found = Math.min(gone, counted);
    const wrong = kept ? counted - found : counted;
    for (const score of [scores.get(rule)!, all]) {
      score.found += found;
      score.missed += labelled.length - found;
      score.wrong += wrong;
    }
    if (wrong > 0 || found < labelled.length) problems.push(rule);
  }
  if (problems.length > 0 || !kept) console.log(`${problems}: ${key} ${text}\n  ${masked}`);
}
