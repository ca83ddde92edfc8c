// Holds docs/operators.md to the operators: each has a section that names each of its keys, and
// each function of expressions is named.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DEFINITIONS } from '../../../agent/operators/definitions.ts';
import { FUNCTIONS } from '../../../agent/operators/expression/functions.ts';
import { PREDICATES } from '../../../agent/operators/expression/syntax.ts';
import { blockKeys, parserKeys } from '../../../agent/operators/parser.ts';
import { PRESETS } from '../../../agent/operators/presets.ts';
import { operatorKeys } from '../../../agent/operators/step.ts';

const page = readFileSync(new URL('../../../docs/operators.md', import.meta.url), 'utf8');

function section(title: string): string {
  const found = page.split(/^(?=##+ )/m).find((one) => one.startsWith(`${title}\n`));
  assert.ok(found, `no section ${title}`);
  return found;
}

test('docs/operators.md: every operator has a section that names its keys', () => {
  const shared = section('## All operators');
  const common = ['type', ...Object.keys(operatorKeys()), ...Object.keys(parserKeys())];
  for (const key of common) assert.ok(shared.includes(`\`${key}\``), key);
  for (const [type, definition] of Object.entries(DEFINITIONS)) {
    const text = section(`### \`${type}\``);
    for (const key of Object.keys(definition.keys())) {
      const known = key in operatorKeys() || key in blockKeys()
        || (key in parserKeys() && !['time_parser', 'scope_name_parser'].includes(type));
      assert.ok(known || text.includes(`\`${key}\``), `${type}.${key}`);
    }
  }
});

test('docs/operators.md: every section of an operator is of one that is there', () => {
  const titles = [...page.matchAll(/^### `(\w+)`$/gm)].map(([, title]) => title!);
  assert.deepEqual(titles.sort(), Object.keys(DEFINITIONS).sort());
});

test('docs/operators.md: every preset is named', () => {
  for (const name of Object.keys(PRESETS)) {
    assert.ok(section('### `preset`').includes(`\n| \`${name}\` |`), name);
  }
});

test('docs/operators.md: every function of expressions is named', () => {
  const text = section('## Expressions');
  for (const name of [...Object.keys(FUNCTIONS), ...PREDICATES, 'env']) {
    assert.match(text, new RegExp(`\\b${name}\\b`), name);
  }
});
