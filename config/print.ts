// The configuration in force as YAML: files and environment merged, defaults filled in, without
// secrets. Reading it back gives the same configuration, but for the secrets.

import { stringify } from 'yaml';
import { backendSchema } from './backend.ts';
import {
  findSchema, keepSchemas, SECTIONS, type ComponentSchema, type SectionName,
} from './components.ts';
import type { ConfigPath } from './errors.ts';
import { agentSchema } from './pipelines.ts';
import { isSecret, withDefaults } from './shape.ts';
import type { ConfigTree } from './tree.ts';

/** What stands in place of a secret; also the Collector's word for it. */
export const REDACTED = '[REDACTED]';

export function printBackend(tree: ConfigTree): string {
  const schema = backendSchema();
  const value = withDefaults(schema, tree.value ?? {});
  return print(value, (path) => isSecret(schema, path));
}

/** `components` tell the defaults of components and which of their settings are secret. */
export function printAgent(tree: ConfigTree, components: readonly ComponentSchema[]): string {
  const known = keepSchemas(components);
  const schema = agentSchema();
  const value = withDefaults(schema, tree.value ?? {}) as Record<string, unknown>;
  for (const section of Object.keys(SECTIONS) as SectionName[]) {
    const components = Object.entries(value[section] ?? {});
    if (components.length === 0) delete value[section];
    else value[section] = Object.fromEntries(components.map(([id, settings]) => {
      const component = findSchema(section, id, known);
      return [id, component === null ? settings : withDefaults(component.schema, settings ?? {})];
    }));
  }
  return print(value, (path) => {
    const [section, id, ...rest] = path;
    const own = id === undefined || !Object.hasOwn(SECTIONS, String(section));
    if (own) return isSecret(schema, path);
    const component = findSchema(section as SectionName, String(id), known);
    return component !== null && isSecret(component.schema, rest);
  });
}

type Secrecy = (path: ConfigPath) => boolean;

function print(value: unknown, secrecy: Secrecy): string {
  return stringify(written(value, [], secrecy), { lineWidth: 100, aliasDuplicateObjects: false });
}

function written(value: unknown, path: ConfigPath, secrecy: Secrecy): unknown {
  if (value === null || value === undefined || value === '') return value;
  if (secrecy(path)) return REDACTED;
  // A dollar sign is doubled, so that it is not taken for a variable when it is read again.
  if (typeof value === 'string') return value.replaceAll('$', '$$$$');
  if (Array.isArray(value)) return value.map((item, at) => written(item, [...path, at], secrecy));
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) =>
    [key, written(item, [...path, key], secrecy)]));
}
