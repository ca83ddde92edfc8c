// The parts of a URL, under the names of the semantic conventions.

import { fail } from '../fault.ts';
import { mapOf, stringAny, type MapValue } from '../value.ts';
import type { AnyValue, KeyValue } from '../../../proto/otlp/model.ts';

/** RFC 3986, appendix B. */
const URI = new RegExp([
  /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?/, // Scheme and authority.
  /([^?#]*)(?:\?([^#]*))?(?:#([\s\S]*))?$/, // Path, query and fragment.
].map(({ source }) => source).join(''));
const AUTHORITY = /^(?:([\s\S]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^:[\]]*)(?::(\d*))?$/;

export function urlParts(original: string): MapValue {
  const match = URI.exec(original);
  const authority = AUTHORITY.exec(match?.[2] ?? '');
  if (match === null || authority === null || /[\x00-\x1f\x7f ]/.test(original)) {
    return fail('the text is no URL');
  }
  const [, scheme = '', , path = '', query, fragment] = match;
  const [, userInfo, host = '', port] = authority;
  const [username, password] = splitUser(userInfo);
  const pairs: KeyValue[] = [];
  const add = (name: string, value: AnyValue) => pairs.push({ key: `url.${name}`, value });
  const addText = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') add(name, stringAny(value));
  };
  add('original', stringAny(original));
  add('scheme', stringAny(scheme.toLowerCase()));
  add('domain', stringAny(host.replace(/^\[(.*)\]$/, '$1')));
  add('path', stringAny(decoded(path)));
  if (port !== undefined && port !== '') add('port', { type: 'int', value: BigInt(port) });
  addText('extension', /\.([^./]+)$/.exec(path)?.[1]);
  addText('query', query);
  addText('fragment', fragment === undefined ? undefined : decoded(fragment));
  addText('user_info', userInfo);
  addText('username', username);
  addText('password', password);
  return mapOf(pairs);
}

function splitUser(userInfo: string | undefined): [string | undefined, string | undefined] {
  if (userInfo === undefined) return [undefined, undefined];
  const colon = userInfo.indexOf(':');
  return colon === -1 ? [decoded(userInfo), undefined]
    : [decoded(userInfo.slice(0, colon)), decoded(userInfo.slice(colon + 1))];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return fail('the URL has an escape that is none');
  }
}
