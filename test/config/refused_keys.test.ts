// Proves that no key of a component is ignored in silence: each that its schema says is not
// supported is refused by name, with what to do instead; each that means nothing is accepted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadComponents } from '../../agent/components.ts';
import type { AnyFactory } from '../../proto/contract/component.ts';
import { REQUIRED } from './full.ts';
import { describe, layersOf, shapeOf, type Schema } from './schemas.ts';

const DEPTH_MAX = 8;

interface Told {
  readonly path: readonly string[];
  readonly says: string;
}

/** The keys below a schema whose description begins so; not those inside of lists. */
function keysThatSay(start: string, schema: Schema, path: readonly string[] = []): Told[] {
  if (path.length > DEPTH_MAX) return [];
  return Object.entries(shapeOf(schema)).flatMap(([key, child]) => {
    const says = describe(child) ?? '';
    const own = says.startsWith(start) ? [{ path: [...path, key], says }] : [];
    return [...own, ...keysThatSay(start, layersOf(child).at(-1)!, [...path, key])];
  });
}

/** What is required, with `value` at a path. */
function withValue(required: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const group = typeof required === 'object' && required !== null
    ? required as Record<string, unknown> : {};
  return { ...group, [key]: withValue(group[key], rest, value) };
}

const settings = ({ kind, type }: AnyFactory, path: readonly string[], value: unknown) =>
  withValue(REQUIRED[`${kind}.${type}`] ?? {}, path, value);

const factories = await loadComponents();

test('config: what is not supported is refused by name', () => {
  let count = 0;
  for (const factory of factories) {
    for (const { path, says } of keysThatSay('Not supported: ', factory.schema)) {
      const place = `${factory.kind} ${factory.type} ${path.join('.')}`;
      const { success, error } = factory.schema.safeParse(settings(factory, path, { x: 1 }));
      assert.equal(success, false, place);
      const issue = error!.issues.find((one) => one.path.join('.') === path.join('.'));
      assert.ok(issue?.message.includes('not supported'), `${place}: ${error!.message}`);
      const { hint = '' } = (issue as { params?: { hint?: string } }).params ?? {};
      assert.equal(says, `Not supported: ${hint}.`, place);
      assert.ok(hint.length > 5, place);
      count += 1;
    }
  }
  assert.ok(count > 40, String(count));
});

test('config: what means nothing is accepted, and says why', () => {
  for (const factory of factories) {
    for (const { path, says } of keysThatSay('Accepted: ', factory.schema)) {
      const place = `${factory.kind} ${factory.type} ${path.join('.')}`;
      const { error } = factory.schema.safeParse(settings(factory, path, 'anything'));
      const issues = (error?.issues ?? []).filter((one) =>
        one.path.join('.').startsWith(path.join('.')));
      assert.deepEqual(issues, [], place);
      assert.ok(says.length > 'Accepted: '.length + 5, place);
    }
  }
});
