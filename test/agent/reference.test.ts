// Proves docs/agent.md complete: each component has a section under its type and its older
// spellings, which names every key at the top of its settings, and those of the protocols of otlp;
// it names no component that there is not, and the keys of service.telemetry are there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { factories } from '../../agent/components.ts';
import { SECTIONS } from '../../config/components.ts';
import { agentSchema } from '../../config/pipelines.ts';
import { knownKeys } from '../../config/shape.ts';

const page = readFileSync(`${import.meta.dirname}/../../docs/agent.md`, 'utf8');

const wordsOf = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

/** The part of the page below the heading of a kind of component. */
const partOf = (heading: string): string =>
  page.split(/^## /m).find((one) => one.startsWith(`${heading}\n`)) ?? '';

/** Sections of a kind, each with the words in its heading and all others. */
function sectionsOf(heading: string) {
  return partOf(heading).split(/^### /m).slice(1).map((text) => {
    const [head = ''] = text.split('\n');
    return { types: wordsOf(head), words: new Set(wordsOf(text)) };
  });
}

const kinds = Object.entries(SECTIONS).filter(([, kind]) => kind !== 'connector')
  .map(([name, kind]) => [name.charAt(0).toUpperCase() + name.slice(1), kind] as const);

test('docs: docs/agent.md has every component and its keys', () => {
  for (const [heading, kind] of kinds) {
    const sections = sectionsOf(heading);
    for (const { type, aliases = [], schema } of factories.filter((one) => one.kind === kind)) {
      const section = sections.find(({ types }) => types.includes(type));
      assert.ok(section !== undefined, `${kind} ${type}`);
      for (const alias of aliases) assert.ok(section.types.includes(alias), `${type}: ${alias}`);
      const keys = [[], ['protocols', 'grpc'], ['protocols', 'http'], ['scrapers']]
        .flatMap((path) => knownKeys(schema, path));
      const missing = keys.filter((key) => !section.words.has(key));
      assert.deepEqual(missing, [], `${kind} ${type}: keys that docs/agent.md does not name`);
    }
  }
});

test('docs: docs/agent.md has no component that there is not', () => {
  for (const [heading, kind] of kinds) {
    const known = factories.filter((one) => one.kind === kind)
      .flatMap(({ type, aliases = [] }) => [type, ...aliases]);
    const named = sectionsOf(heading).flatMap(({ types }) => types);
    assert.deepEqual(named.filter((type) => !known.includes(type)), [], heading);
  }
});

test('docs: docs/agent.md has the keys of service.telemetry', () => {
  const words = new Set(wordsOf(partOf('The file')).flatMap((word) => word.split('.')));
  const keys = [[], ['logs'], ['metrics']]
    .flatMap((path) => knownKeys(agentSchema(), ['service', 'telemetry', ...path]));
  assert.deepEqual(keys.filter((key) => !words.has(key)), []);
});
