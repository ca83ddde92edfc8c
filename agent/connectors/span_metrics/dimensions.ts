// What tells the series of span metrics apart: a key for each span, made for every one of them, and
// the attributes that it stands for, made once per series.

import type {
  AnyValue, Attributes, KeyValue, Scope, Span, SpanEvent,
} from '../../../proto/otlp/model.ts';
import { valueKey } from '../../series/identity.ts';
import type { DimensionConfig } from './config.ts';

export interface DimensionOptions {
  /** Of service.name, span.name, span.kind, status.code those that are left out. */
  readonly excluded: readonly string[];
  readonly dimensions: readonly DimensionConfig[];
  /** Scopes that are named by their series. */
  readonly scopes: readonly string[];
}

/** Where a span comes from. */
export interface SpanOrigin {
  readonly service: string;
  readonly resource: Attributes;
  readonly scope: Scope | undefined;
}

export interface Dimensions {
  /** Equal for two spans exactly when `attributes` are. */
  key(origin: SpanOrigin, span: Span, event?: SpanEvent): string;
  attributes(origin: SpanOrigin, span: Span, event?: SpanEvent): Attributes;
}

export function createDimensions(options: DimensionOptions): Dimensions {
  const { dimensions } = options;
  const excluded = new Set(options.excluded);
  const scopes = new Set(options.scopes);
  const [hasService, hasName, hasKind, hasStatus] =
    ['service.name', 'span.name', 'span.kind', 'status.code'].map((name) => !excluded.has(name));
  const scopeOf = ({ scope }: SpanOrigin) =>
    (scope !== undefined && scopes.has(scope.name) ? scope : undefined);
  return {
    key: (origin, span, event) => {
      let key = hasKind ? `${known(KINDS, span.kind)};` : ';';
      if (hasStatus) key += known(STATUSES, span.status?.code);
      if (hasName) key += `;${span.name.length}:${span.name}`;
      if (hasService) key += `${origin.service.length}:${origin.service}`;
      const scope = scopeOf(origin);
      if (scope !== undefined) {
        key += `@${scope.name.length}:${scope.name}${scope.version.length}:${scope.version}`;
      }
      for (const dimension of dimensions) {
        const value = valueOf(dimension, origin, span, event);
        key += value === undefined ? '-' : valueKey(value);
      }
      return key;
    },
    attributes: (origin, span, event) => {
      const own: KeyValue[] = [];
      const add = (key: string, value: string) => own.push({ key, value: textOf(value) });
      if (hasService) add('service.name', origin.service);
      if (hasName) add('span.name', span.name);
      if (hasKind) add('span.kind', KINDS[known(KINDS, span.kind)]!);
      if (hasStatus) add('status.code', STATUSES[known(STATUSES, span.status?.code)]!);
      const scope = scopeOf(origin);
      if (scope !== undefined) {
        add('span.instrumentation.scope.name', scope.name);
        add('span.instrumentation.scope.version', scope.version);
      }
      for (const dimension of dimensions) {
        const value = valueOf(dimension, origin, span, event);
        if (value !== undefined) own.push({ key: dimension.name, value });
      }
      return own;
    },
  };
}

const KINDS = [
  'SPAN_KIND_UNSPECIFIED', 'SPAN_KIND_INTERNAL', 'SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT',
  'SPAN_KIND_PRODUCER', 'SPAN_KIND_CONSUMER',
];
const STATUSES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'];

/** The place of what has a name; 0, which is that of nothing in particular, for all others. */
function known(names: readonly string[], index: number | undefined): number {
  return index !== undefined && index < names.length ? index : 0;
}

/** The nearest that has it: the event, the span, the resource. */
function valueOf(
  { name, default: fallback }: DimensionConfig,
  { resource }: SpanOrigin,
  span: Span,
  event: SpanEvent | undefined,
): AnyValue | undefined {
  return (event === undefined ? undefined : find(event.attributes, name))
    ?? find(span.attributes, name) ?? find(resource, name)
    ?? (fallback === undefined ? undefined : textOf(fallback));
}

function find(attributes: Attributes, name: string): AnyValue | undefined {
  for (const { key, value } of attributes) if (key === name) return value;
  return undefined;
}

const textOf = (value: string): AnyValue => ({ type: 'string', value });
