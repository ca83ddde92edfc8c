// Proves docs/ottl.md complete and true: every function with its parameters, every path, every name
// that is refused; and no function that there is not. Editors of `transform` and converters of
// `filter` stand in docs/processors.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { signatureOf } from '../../../agent/ottl/compile.ts';
import { FIELDS } from '../../../agent/ottl/contexts.ts';
import { FUNCTIONS } from '../../../agent/ottl/functions/registry.ts';
import { REFUSED } from '../../../agent/ottl/functions/refused.ts';
import { METRIC_CONVERTERS } from '../../../agent/processors/filter/converters.ts';
import { OWN_EDITORS } from '../../../agent/processors/transform/editors.ts';

const pageOf = (name: string) =>
  readFileSync(`${import.meta.dirname}/../../../docs/${name}.md`, 'utf8');

const wordsOf = (text: string): string[] =>
  [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);

const ottl = wordsOf(pageOf('ottl'));

test('docs: docs/ottl.md has every function with its parameters', () => {
  assert.deepEqual(FUNCTIONS.map(signatureOf).filter((one) => !ottl.includes(one)), []);
});

test('docs: docs/ottl.md has no function that there is not', () => {
  const section = pageOf('ottl').split('\n## ').filter((part) =>
    /^(?:Editors|Converters)/.test(part)).join('');
  const named = wordsOf(section).filter((word) => /^\w+\(.*\)$/.test(word));
  const known = FUNCTIONS.map(signatureOf);
  assert.deepEqual(named.filter((word) => !known.includes(word)), []);
});

test('docs: docs/ottl.md has every path of every context', () => {
  for (const [context, fields] of Object.entries(FIELDS)) {
    const row = pageOf('ottl').split('\n').find((line) => line.startsWith(`| \`${context}\``));
    const words = wordsOf(row!);
    assert.deepEqual(Object.keys(fields).filter((path) =>
      path !== '' && !words.includes(path)), [], context);
  }
});

test('docs: what is refused is named, and what is not is not', () => {
  const words = [...ottl, ...wordsOf(pageOf('processors'))];
  assert.deepEqual([...REFUSED.keys()].filter((name) => !words.includes(name)), []);
  const both = FUNCTIONS.filter(({ name }) => REFUSED.has(name));
  assert.deepEqual(both.map(({ name }) => name), []);
});

test('docs: docs/processors.md has the functions of transform and filter', () => {
  const names = wordsOf(pageOf('processors')).map((word) => word.split('(')[0]);
  const own = [...OWN_EDITORS, ...METRIC_CONVERTERS].map(({ name }) => name);
  assert.deepEqual(own.filter((name) => !names.includes(name)), []);
});
