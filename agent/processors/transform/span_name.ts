// set_semconv_span_name: the name that the semantic conventions give a span of HTTP, RPC, messaging
// or a database, so that there are few names. Other spans keep theirs.

import type { Attributes, Span } from '../../../proto/otlp/model.ts';
import { OttlFault } from '../../ottl/fault.ts';
import { editor, type FunctionSpec, type Parameter } from '../../ottl/functions/function.ts';
import { literalText, optional } from '../../ottl/functions/parameters.ts';
import { findKey, fromAny, stringAny, textOf, withKey } from '../../ottl/value.ts';
import { draftOf } from '../../ottl/view.ts';

const SERVER = 2;
const CLIENT = 3;

const version = (): Parameter<string> => ({
  type: 'version of the semantic conventions',
  optional: false,
  bind: (node, binder) => {
    const written = literalText().bind(node, binder);
    const minor = /^1\.(\d+)\.0$/.exec(written)?.[1];
    if (minor !== undefined && Number(minor) >= 37 && Number(minor) <= 43) return written;
    throw new OttlFault(node.at, 'this version is not known', 'known: 1.37.0 to 1.43.0');
  },
});

const setSpanName = editor('set_semconv_span_name', {
  semconvVersion: version(), originalSpanNameAttribute: optional(literalText()),
}, ({ originalSpanNameAttribute: kept }) => (view) => {
  const span = view.span!;
  const name = spanName(span);
  if (name === null || name === span.name) return;
  const draft = draftOf(view, 'span');
  if (kept !== undefined) draft.attributes = withKey(span.attributes, kept, stringAny(span.name));
  draft.name = name;
}, { contexts: ['span'] });

/** The first of these attributes that has a text. */
function read(attributes: Attributes, ...keys: string[]): string | undefined {
  for (const key of keys) {
    const found = textOf(fromAny(findKey(attributes, key)));
    if (found !== null && found !== '') return found;
  }
  return undefined;
}

function spanName({ kind, attributes }: Span): string | null {
  const method = read(attributes, 'http.request.method', 'http.method');
  if (method !== undefined && (kind === SERVER || kind === CLIENT)) {
    const target = kind === SERVER ? read(attributes, 'http.route')
      : read(attributes, 'url.template');
    return joined(method === '_OTHER' ? 'HTTP' : method, target);
  }
  if (read(attributes, 'rpc.system.name', 'rpc.system') !== undefined) return rpcName(attributes);
  if (read(attributes, 'messaging.system') !== undefined) return messagingName(attributes);
  if (read(attributes, 'db.system.name', 'db.system') !== undefined) return dbName(attributes);
  return null;
}

const joined = (first: string, second: string | undefined): string =>
  (second === undefined ? first : `${first} ${second}`);

function rpcName(attributes: Attributes): string | null {
  const method = read(attributes, 'rpc.method', 'rpc.grpc.method');
  const service = read(attributes, 'rpc.service', 'rpc.grpc.service');
  if (method === undefined) return service ?? read(attributes, 'rpc.system.name', 'rpc.system')!;
  return service === undefined || method.includes('/') ? method : `${service}/${method}`;
}

function messagingName(attributes: Attributes): string | null {
  const operation = read(attributes, 'messaging.operation.name', 'messaging.operation');
  const temporary = read(attributes, 'messaging.destination.temporary') === 'true';
  const anonymous = read(attributes, 'messaging.destination.anonymous') === 'true';
  const destination = read(attributes, 'messaging.destination.template')
    ?? (temporary || anonymous ? undefined
      : read(attributes, 'messaging.destination.name', 'messaging.destination'))
    ?? serverOf(attributes);
  return operation === undefined ? null : joined(operation, destination);
}

function dbName(attributes: Attributes): string | null {
  const summary = read(attributes, 'db.query.summary');
  if (summary !== undefined) return summary;
  const operation = read(attributes, 'db.operation.name', 'db.operation');
  const target = read(attributes, 'db.collection.name', 'db.stored_procedure.name',
    'db.namespace', 'db.name') ?? serverOf(attributes);
  if (operation !== undefined) return joined(operation, target);
  return target ?? read(attributes, 'db.system.name', 'db.system')!;
}

function serverOf(attributes: Attributes): string | undefined {
  const address = read(attributes, 'server.address');
  const port = read(attributes, 'server.port');
  return address === undefined || port === undefined ? address : `${address}:${port}`;
}

export const SPAN_NAME_EDITORS: readonly FunctionSpec[] = [setSpanName];
