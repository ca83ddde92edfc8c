// Which metric a sample belongs to, and as what: the comments of a page name families
// (`# TYPE http_seconds histogram`), and samples carry the family's name with an end that says
// their part (`http_seconds_bucket`, `_sum`, `_count`, `_created`; `_total` of counters).
//
// A sample of no family, or one whose name does not fit its family's type, is a gauge by its own
// name. So are the parts of a gauge histogram, for which OTLP has nothing.

import type { Part, PointKind } from './points.ts';

export interface Family {
  type: string;
  help: string;
  unit: string;
  /** The number of the last page that named it. */
  page: number;
}

export type Families = Map<string, Family>;

export interface Place {
  readonly family: Family | undefined;
  /** The name of the metric. */
  readonly metric: string;
  readonly kind: PointKind;
  readonly part: Part;
}

const ENDS = ['_bucket', '_sum', '_count', '_created', '_total', '_info', '_gcount', '_gsum'];

/** `name` is what the page says, `renamed` what relabelling made of it. */
export function placeOf(name: string, renamed: string, families: Families): Place {
  const exact = families.get(name);
  if (exact !== undefined) return exactPlace(exact, renamed);
  for (const end of ENDS) {
    if (!name.endsWith(end)) continue;
    const family = families.get(name.slice(0, -end.length));
    if (family !== undefined) return partPlace(family, end, renamed);
  }
  return { family: undefined, metric: renamed, kind: 'gauge', part: 'value' };
}

function exactPlace(family: Family, metric: string): Place {
  switch (family.type) {
    case 'counter': return { family, metric, kind: 'counter', part: 'value' };
    case 'summary': return { family, metric, kind: 'summary', part: 'quantile' };
    case 'info':
    case 'stateset': return { family, metric, kind: 'state', part: 'value' };
    default: return { family, metric, kind: 'gauge', part: 'value' };
  }
}

function partPlace(family: Family, end: string, renamed: string): Place {
  const { type } = family;
  const own: Place = { family, metric: renamed, kind: 'gauge', part: 'value' };
  if (end === '_total') return type === 'counter' ? { ...own, kind: 'counter' } : own;
  if (end === '_info') return type === 'info' ? { ...own, kind: 'state' } : own;
  const part = PARTS[end];
  if (part === undefined || !renamed.endsWith(end)) return own;
  const base = renamed.slice(0, -end.length);
  if (type === 'counter' && part === 'created') {
    return { family, metric: `${base}_total`, kind: 'counter', part };
  }
  const fits = type === 'histogram' || (type === 'summary' && part !== 'bucket');
  return fits ? { family, metric: base, kind: type as PointKind, part } : own;
}

const PARTS: Readonly<Record<string, Part>> = {
  _bucket: 'bucket', _sum: 'sum', _count: 'count', _created: 'created',
};
