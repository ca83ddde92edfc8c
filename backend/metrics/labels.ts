// Labels of series, named as in the search language: `service`, `host`, attributes of the point and
// of its resource.

import { fieldOf, MAP_COLUMNS } from '../search/fields.ts';

export interface LabelSql {
  /** An expression of type String. */
  readonly sql: string;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The value of a label, '' where it has none. Names of parameters begin with `prefix`. Null for a
 * name that is no label, such as `body`.
 */
export function labelSql(name: string, prefix: string): LabelSql | null {
  const field = fieldOf(name, 'metrics');
  if (field.type === 'column') return { sql: `toString(${field.column})`, params: {} };
  if (field.type !== 'attribute') return null;
  const params: Record<string, string> = {};
  const branches = field.lookups.map(({ map, key }, index) => {
    const param = `${prefix}_${index}`;
    params[param] = key;
    const value = `toString(${MAP_COLUMNS.metrics[map]}[{${param}:String}])`;
    return `${value} != '', ${value}`;
  });
  return { sql: `multiIf(${branches.join(', ')}, '')`, params };
}
