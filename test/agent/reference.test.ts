// Proves the pages about components complete: each has a section under its type and its older
// spellings, on the page of its kind; no page has a component that there is not; docs/agent.md has
// the keys of service.telemetry and service.reload. Keys of components stand in docs/components.md,
// which is made.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadComponents } from '../../agent/components.ts';
import { SECTIONS } from '../../config/components.ts';
import { agentSchema } from '../../config/pipelines.ts';
import { knownKeys } from '../../config/shape.ts';

const factories = await loadComponents();

const pageOf = (name: string) =>
  readFileSync(`${import.meta.dirname}/../../docs/${name}.md`, 'utf8');

const wordsOf = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

/** The words in code of each heading of the page about a kind of component. */
const headingsOf = (section: string): string[][] =>
  pageOf(section).split('\n').filter((line) => line.startsWith('## ')).map(wordsOf);

test('docs: every component has a section under all its spellings', () => {
  for (const [section, kind] of Object.entries(SECTIONS)) {
    const headings = headingsOf(section);
    for (const { type, aliases = [] } of factories.filter((one) => one.kind === kind)) {
      const heading = headings.find((words) => words.includes(type));
      assert.ok(heading !== undefined, `docs/${section}.md has no section \`${type}\``);
      for (const alias of aliases) assert.ok(heading.includes(alias), `${type}: ${alias}`);
    }
  }
});

test('docs: no page has a component that there is not', () => {
  for (const [section, kind] of Object.entries(SECTIONS)) {
    const known = factories.filter((one) => one.kind === kind)
      .flatMap(({ type, aliases = [] }) => [type, ...aliases]);
    const named = headingsOf(section).flat();
    assert.deepEqual(named.filter((type) => !known.includes(type)), [], section);
  }
});

test('docs: docs/agent.md has the keys of service.telemetry and service.reload', () => {
  const words = new Set(wordsOf(pageOf('agent')).flatMap((word) => word.split(/[.:]/)));
  const keys = [['telemetry'], ['telemetry', 'logs'], ['telemetry', 'metrics'], ['reload']]
    .flatMap((path) => knownKeys(agentSchema(), ['service', ...path]));
  assert.deepEqual(keys.filter((key) => !words.has(key)), []);
});
