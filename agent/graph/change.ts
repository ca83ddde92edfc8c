// What a new configuration changes in a graph. Pure.
//
// A part is kept when its component type and settings are the same, it stands at the same place, it
// begins the same pipelines if it is a connector, and the extensions that it uses are kept.
// Settings are compared as they were written, with variables filled in, or as they were parsed.

import { isDeepStrictEqual } from 'node:util';
import type { ComponentConfig } from '../../config/components.ts';
import { extensionKey, type Layout, type Spec } from './layout.ts';

export interface Change {
  readonly kept: ReadonlySet<string>;
  /** Each as `exporter otlp`, or `processor batch logs`: its pipeline is last. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Pipelines whose lists differ, though perhaps no component. */
  readonly pipelines: readonly string[];
}

export function compareLayouts(before: Layout, after: Layout): Change {
  const kept = new Set<string>();
  const extensionsFirst = [...after.specs.values()]
    .sort((a, b) => Number(b.kind === 'extension') - Number(a.kind === 'extension'));
  for (const spec of extensionsFirst) {
    const earlier = before.specs.get(spec.key);
    const same = earlier !== undefined && isSame(earlier, spec);
    if (same && usedBy(spec, after).every((key) => key !== null && kept.has(key))) {
      kept.add(spec.key);
    }
  }
  const keys = [...after.specs.keys()];
  return {
    kept,
    added: keys.filter((key) => !before.specs.has(key)),
    changed: keys.filter((key) => before.specs.has(key) && !kept.has(key)),
    removed: [...before.specs.keys()].filter((key) => !after.specs.has(key)),
    pipelines: changedPipelines(before, after),
  };
}

export const isNothing = ({ added, changed, removed, pipelines }: Change): boolean =>
  [added, changed, removed, pipelines].every((list) => list.length === 0);

function isSame(before: Spec, after: Spec): boolean {
  if (before.factory !== after.factory) return false;
  if (!sameSettings(before.defined, after.defined)) return false;
  // Others do not see which pipelines they begin.
  const begun = ({ begins }: Spec) => begins.map(({ id }) => id).sort();
  return after.kind !== 'connector' || isDeepStrictEqual(begun(before), begun(after));
}

function sameSettings(before: ComponentConfig, after: ComponentConfig): boolean {
  if (before.written !== undefined && isDeepStrictEqual(before.written, after.written)) return true;
  return isDeepStrictEqual(before.config, after.config);
}

const usedBy = ({ factory, defined }: Spec, layout: Layout) =>
  (factory.uses?.(defined.config) ?? []).map(({ id }) => extensionKey(id, layout));

function changedPipelines(before: Layout, after: Layout): string[] {
  const byId = ({ config }: Layout) => new Map(config.pipelines.map((one) => [one.id, one]));
  const [old, now] = [byId(before), byId(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((id) => !isDeepStrictEqual(old.get(id), now.get(id)));
}
