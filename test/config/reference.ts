// Writes docs/components.md from the schemas of the components: each component with its spellings
// and signals, and a table of its keys. UPDATE_GOLDEN=1 writes the file.

import { stringify } from 'yaml';
import { z } from 'zod';
import { SECTIONS, type ComponentSchema } from '../../config/components.ts';
import { defaultOf, describe, layersOf, shapeOf, typeOf, type Schema } from './schemas.ts';

const HEAD = `# Components and their keys

Made from the schemas by which the agent reads its configuration. A component's id is
\`type\` or \`type/name\`; both spellings of a type work. A default in *italics* is none: the key is
absent, or must be given. What a component does with it is said in \`docs/receivers.md\`,
\`docs/processors.md\`, \`docs/exporters.md\`, \`docs/connectors.md\` and \`docs/extensions.md\`.
`;

export function referencePage(components: readonly ComponentSchema[]): string {
  const parts = Object.entries(SECTIONS).flatMap(([section, kind]) => {
    const ofKind = components.filter((one) => one.kind === kind)
      .sort((a, b) => (a.type < b.type ? -1 : 1));
    if (ofKind.length === 0) return [];
    const title = section.charAt(0).toUpperCase() + section.slice(1);
    return [`\n## ${title}\n`, ...ofKind.map(componentPart)];
  });
  return `${HEAD}${parts.join('')}`;
}

function componentPart({ type, aliases = [], signals, schema }: ComponentSchema): string {
  const spellings = aliases.length === 0 ? '' : ` (${aliases.map(code).join(', ')})`;
  const carried = signals.length === 0 ? '' : `\nSignals: ${signals.join(', ')}.\n`;
  return `\n### \`${type}\`${spellings}\n${carried}${keysTable(schema)}`;
}

/** A row for each key; those for which `isListed` is false are left out, with all below them. */
export function keysTable(
  schema: Schema,
  isListed: (path: string) => boolean = () => true,
): string {
  const rows = rowsOf(schema, '', []).filter(({ path }) => isListed(path)).map(({ row }) => row);
  return rows.length === 0 ? '\nIt has no keys.\n'
    : `\n| key | value | default | |\n|---|---|---|---|\n${rows.join('')}`;
}

interface Row {
  readonly path: string;
  readonly row: string;
}

function rowsOf(schema: Schema, prefix: string, above: readonly Schema[]): Row[] {
  const inner = layersOf(schema).at(-1)!;
  // A schema that contains itself is listed once.
  if (above.includes(inner) || above.length > 12) return [];
  return Object.entries(shapeOf(schema)).flatMap(([name, child]) => {
    const path = `${prefix}${name}`;
    const { label, nested, suffix } = kindOf(child);
    const row = `| ${code(path)} | ${label} | ${defaultText(child)} | ${cell(describe(child))} |\n`;
    return [{ path, row }, ...nested.flatMap((one) =>
      rowsOf(one, `${path}${suffix}.`, [...above, inner]))];
  });
}

interface Kind {
  readonly label: string;
  /** Schemas whose keys are listed below. */
  readonly nested: readonly Schema[];
  /** What stands between the key and those of its elements. */
  readonly suffix: string;
}

function kindOf(schema: Schema): Kind {
  const leaf = (label: string): Kind => ({ label, nested: [], suffix: '' });
  const layers = layersOf(schema);
  const named = layers.map((one) => z.globalRegistry.get(one)?.title)
    .find((one) => one !== undefined);
  if (named !== undefined) return leaf(named);
  const { def } = (layers.at(-1) as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'object':
      return { label: 'keys', nested: [layers.at(-1)!], suffix: '' };
    case 'array': {
      const element = kindOf(def.element);
      return { label: `list of ${plural(element.label)}`, nested: element.nested, suffix: '[]' };
    }
    case 'record': {
      const value = kindOf(def.valueType);
      return { label: `map of ${plural(value.label)}`, nested: value.nested, suffix: '.*' };
    }
    case 'union': {
      const kinds = def.options.map(kindOf);
      const label = [...new Set(kinds.map((one) => one.label))].join(' or ');
      return { label, nested: kinds.flatMap((one) => one.nested), suffix: kinds.map((one) =>
        one.suffix).find((one) => one !== '') ?? '' };
    }
    case 'enum':
      return leaf(Object.values(def.entries).map((one) => code(String(one))).join(', '));
    case 'literal':
      return leaf(def.values.map((one) => code(String(one))).join(', '));
    default:
      return leaf(LABELS[def.type] ?? 'value');
  }
}

const LABELS: Readonly<Record<string, string>> = {
  string: 'text', number: 'number', int: 'whole number', boolean: 'true or false',
};

const plural = (label: string) => (label === 'text' ? 'texts' : label === 'number' ? 'numbers'
  : label === 'value' ? 'values' : label);

function defaultText(schema: Schema): string {
  const layers = layersOf(schema);
  const fallback = defaultOf(layers);
  if (fallback === null) {
    const optional = layers.some((one) => typeOf(one) === 'optional');
    return optional ? '*absent*' : '*required*';
  }
  if (typeOf(layers.at(-1)!) === 'object') return '';
  const value = stringify(fallback.value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
  return code(value);
}

const code = (text: string) => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${cell(text)}\``);
const cell = (text: string | undefined) =>
  (text ?? '').replaceAll('|', '\\|').replaceAll('\n', ' ');
