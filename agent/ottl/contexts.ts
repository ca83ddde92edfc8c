// The contexts and what can be seen from each: its own paths, and with a prefix those of what
// surrounds it. A path of the older form has no prefix and belongs to the context itself.

import { OttlFault } from './fault.ts';
import { LOG_FIELDS } from './paths/log.ts';
import { DATA_POINT_FIELDS, METRIC_FIELDS } from './paths/metric.ts';
import { RESOURCE_FIELDS, SCOPE_FIELDS } from './paths/origin.ts';
import { SPAN_EVENT_FIELDS, SPAN_FIELDS } from './paths/span.ts';
import type { Field, Fields } from './paths/field.ts';
import type { PathNode } from './syntax.ts';
import { isMap, mapOf } from './value.ts';
import type { OttlContextName } from './view.ts';
import { closestWord, knownHint } from '../../config/errors.ts';
import { wrongType } from './paths/field.ts';

export const FIELDS: Readonly<Record<OttlContextName, Fields>> = {
  resource: RESOURCE_FIELDS,
  scope: SCOPE_FIELDS,
  span: SPAN_FIELDS,
  spanevent: SPAN_EVENT_FIELDS,
  metric: METRIC_FIELDS,
  datapoint: DATA_POINT_FIELDS,
  log: LOG_FIELDS,
};

/** What can be seen from a context, itself first. */
export const VISIBLE: Readonly<Record<OttlContextName, readonly OttlContextName[]>> = {
  resource: ['resource'],
  scope: ['scope', 'resource'],
  span: ['span', 'scope', 'resource'],
  spanevent: ['spanevent', 'span', 'scope', 'resource'],
  metric: ['metric', 'scope', 'resource'],
  datapoint: ['datapoint', 'metric', 'scope', 'resource'],
  log: ['log', 'scope', 'resource'],
};

const ALIASES: Readonly<Record<string, OttlContextName>> = { instrumentation_scope: 'scope' };

/** The context that the first name of a path stands for, if any. */
export function contextOf(name: string): OttlContextName | undefined {
  if (name in FIELDS) return name as OttlContextName;
  return Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
}

const CACHE: Field = {
  type: 'map',
  get: (view) => mapOf(view.cache),
  pairs: (view) => view.cache,
  set: (view, value) => {
    if (value !== null) view.cache = isMap(value) ? value.value : wrongType('map', value);
  },
};

export const NOT_BUILT: Readonly<Record<string, string>> = {
  exemplar: 'the exemplar context is not built: datapoint.exemplars can be copied as a whole',
  profile: 'profiles are not a signal here',
  profilesample: 'profiles are not a signal here',
  context: 'the connection of a client is not known to the pipeline',
  otelcol: 'the connection of a client is not known to the pipeline',
};

/** The field that a path leads to in a context. Throws OttlFault. */
export function findField(path: PathNode, context: OttlContextName): Field {
  const [first, ...rest] = path.segments;
  const named = contextOf(first!.name);
  const visible = VISIBLE[context];
  const prefixed = named !== undefined && visible.includes(named)
    && (rest.length > 0 || (named !== context && Object.hasOwn(FIELDS[named], '')));
  const owner = prefixed ? named : context;
  const names = (prefixed ? rest : path.segments).map(({ name }) => name);
  requireKeysLast(path);
  const field = fieldAt(owner, names, context);
  if (field !== undefined) return field;
  throw unknownPath(path, { context, owner, names, named });
}

function fieldAt(
  owner: OttlContextName, names: readonly string[], context: OttlContextName,
): Field | undefined {
  const name = names.join('.');
  if (name === 'cache') return owner === context ? CACHE : undefined;
  return Object.hasOwn(FIELDS[owner], name) ? FIELDS[owner][name] : undefined;
}

function requireKeysLast({ segments }: PathNode): void {
  const wrong = segments.slice(0, -1).find(({ keys }) => keys.length > 0);
  if (wrong === undefined) return;
  throw new OttlFault(wrong.keys[0]!.at, 'keys stand at the end of a path',
    'write attributes["a"]["b"] for what is nested');
}

interface Looked {
  readonly context: OttlContextName;
  readonly owner: OttlContextName;
  readonly names: readonly string[];
  readonly named: OttlContextName | undefined;
}

function unknownPath(path: PathNode, { context, owner, names, named }: Looked): OttlFault {
  const { at, name: first } = path.segments[0]!;
  const written = path.segments.map(({ name }) => name).join('.');
  if (Object.hasOwn(NOT_BUILT, first)) {
    return new OttlFault(at, `path "${written}" is not supported`, NOT_BUILT[first]);
  }
  if (named !== undefined && !VISIBLE[context].includes(named)) {
    return new OttlFault(at, `"${first}" cannot be seen in the ${context} context`,
      `known there: ${VISIBLE[context].join(', ')}`);
  }
  if (names.join('.') === 'cache') {
    return new OttlFault(at, `a cache is only seen in its own context`,
      `write ${context}.cache, or use a group of statements for ${owner}`);
  }
  const known = [...Object.keys(FIELDS[owner]).filter((key) => key !== ''), 'cache'];
  const nearPrefix = path.segments.length > 1 && named === undefined
    ? closestWord(first, VISIBLE[context]) : null;
  const hint = nearPrefix !== null && nearPrefix !== first
    ? `did you mean "${nearPrefix}"?` : knownHint(names.join('.'), known);
  return new OttlFault(at, `unknown path "${written}" in the ${owner} context`, hint);
}
