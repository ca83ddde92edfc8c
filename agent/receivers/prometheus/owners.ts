// The resources and scopes that the series of a target belong to. A series says it with its labels:
// `job` and `instance` name the resource (more than one where a target passes on what others
// showed), `otel_scope_…` the scope. What `target_info` and `otel_scope_info` say of them holds for
// the page that they stand on.

import type { KeyValue, Resource, Scope } from '../../../proto/otlp/model.ts';
import { text } from './points.ts';
import type { LabelMap } from './relabel.ts';
import { resourceOf } from './targets.ts';

/** The scope of series that name none. */
const SCOPE = 'binnacle/agent/prometheus';
const PREFIX = 'otel_scope_';

export interface ResourceOwner {
  readonly key: string;
  /** What the labels of a `target_info` do whenever it is on a page. */
  describe(labels: LabelMap): (page: number) => void;
  isTold(page: number): boolean;
  toResource(page: number): Resource;
}

export interface ScopeOwner {
  readonly key: string;
  readonly schemaUrl: string;
  /** As above, for `otel_scope_info`. */
  describe(labels: LabelMap): (page: number) => void;
  isTold(page: number): boolean;
  toScope(page: number): Scope;
}

export interface Owners {
  of(labels: LabelMap): { readonly resource: ResourceOwner; readonly scope: ScopeOwner };
  /** Forgets those that none of `users` has and the page says nothing about. */
  forget(users: Iterable<{ resource: ResourceOwner; scope: ScopeOwner }>, page: number): void;
}

export function createOwners(target: LabelMap, scheme: string): Owners {
  const resources = new Map<string, ResourceOwner>();
  const scopes = new Map<string, ScopeOwner>();
  return {
    of: (labels) => {
      const job = labels.get('job') || target.get('job') || '';
      const instance = labels.get('instance') || target.get('instance') || '';
      const key = JSON.stringify([job, instance]);
      let resource = resources.get(key);
      if (resource === undefined) {
        resource = createResource(key, resourceOf(job, instance, scheme));
        resources.set(key, resource);
      }
      return { resource, scope: scopeOf(labels, scopes) };
    },
    forget: (users, page) => {
      const used = new Set<ResourceOwner | ScopeOwner>();
      for (const { resource, scope } of users) used.add(resource).add(scope);
      for (const [key, one] of resources) {
        if (!used.has(one) && !one.isTold(page)) resources.delete(key);
      }
      for (const [key, one] of scopes) {
        if (!used.has(one) && !one.isTold(page)) scopes.delete(key);
      }
    },
  };
}

function createResource(key: string, own: readonly KeyValue[]): ResourceOwner {
  let told: readonly KeyValue[] = [];
  let toldOn = 0;
  return {
    key,
    describe: (labels) => {
      const attributes = [...labels]
        .filter(([name, value]) => name !== 'job' && name !== 'instance' && value !== '')
        .map(([name, value]) => text(name, value));
      return (page) => {
        told = attributes;
        toldOn = page;
      };
    },
    isTold: (page) => toldOn === page,
    toResource: (page) => {
      const more = toldOn === page ? told : [];
      const names = new Set(more.map(({ key: name }) => name));
      return {
        attributes: [...own.filter(({ key: name }) => !names.has(name)), ...more],
        droppedAttributesCount: 0,
        entityRefs: [],
      };
    },
  };
}

function scopeOf(labels: LabelMap, scopes: Map<string, ScopeOwner>): ScopeOwner {
  let own: [string, string][] | null = null;
  for (const [name, value] of labels) {
    if (name.startsWith(PREFIX)) (own ??= []).push([name.slice(PREFIX.length), value]);
  }
  const pairs = (own ?? []).sort(([one], [two]) => (one < two ? -1 : 1));
  const key = JSON.stringify(pairs);
  const known = scopes.get(key);
  if (known !== undefined) return known;
  const scope = createScope(key, new Map(pairs));
  scopes.set(key, scope);
  return scope;
}

const NAMED = new Set(['name', 'version', 'schema_url']);

function createScope(key: string, own: ReadonlyMap<string, string>): ScopeOwner {
  const attributes = [...own].filter(([name]) => !NAMED.has(name))
    .map(([name, value]) => text(name, value));
  const name = own.get('name') ?? (own.size === 0 ? SCOPE : '');
  let told: readonly KeyValue[] = [];
  let toldOn = 0;
  return {
    key,
    schemaUrl: own.get('schema_url') ?? '',
    describe: (labels) => {
      const more = [...labels].filter(([label, value]) => value !== '' && label !== 'job'
        && label !== 'instance' && !label.startsWith(PREFIX))
        .map(([label, value]) => text(label, value));
      return (page) => {
        told = more;
        toldOn = page;
      };
    },
    isTold: (page) => toldOn === page,
    toScope: (page) => ({
      name, version: own.get('version') ?? '', droppedAttributesCount: 0,
      attributes: toldOn === page ? [...attributes, ...told] : attributes,
    }),
  };
}
