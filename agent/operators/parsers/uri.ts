// uri_parser: the parts of an absolute or relative URI, or of a query that begins with `?`. Empty
// parts are left out, and so is a password.

import { emptyMap, type Value, type ValueMap } from '../entry.ts';
import { parserKeys, parserStep, type Parsed } from '../parser.ts';
import { stepOperator } from '../step.ts';

export const limits = {
  /** A longer text is no URI. */
  chars: 64 * 1024,
} as const;

export const uriParser = stepOperator({
  keys: parserKeys,
  create: (config, making) => parserStep(config, making, parseUri),
});

// RFC 3986, appendix B, with the authority taken apart.
const URI = new RegExp('^(?:([A-Za-z][A-Za-z0-9+.-]*):)?'
  + '(?://(?:([^/?#@]*)@)?(\\[[^\\]/?#]*\\]|[^/?#:]*)(?::(\\d*))?(?=[/?#]|$))?'
  + '([^?#]*)(?:\\?([^#]*))?(?:#.*)?$', 's');

function parseUri(text: string): Parsed {
  const isText = text.length <= limits.chars && !/[\s\x00-\x1f\x7f]/.test(text);
  const match = isText ? URI.exec(text) : null;
  if (match === null) return 'the text is no URI';
  const [, scheme, user, host, port, path, query] = match;
  // What stands before a colon must be a scheme, and the rest of a host cannot be a path.
  if (scheme === undefined && /^[^/]*:/.test(text.split('?')[0]!)) return 'the text is no URI';
  if (path!.startsWith('//')) return 'the text is no URI';
  const map = emptyMap();
  const put = (key: string, part: string | undefined) => {
    if (part !== undefined && part !== '') map[key] = part;
  };
  put('scheme', scheme?.toLowerCase());
  put('user', user === undefined ? undefined : decode(user.split(':')[0]!, false));
  put('host', host === undefined ? undefined : decode(host.replace(/^\[|\]$/g, ''), false));
  put('port', port);
  put('path', decode(path!, false));
  if (query !== undefined && query !== '') map['query'] = parseQuery(query);
  return { value: map };
}

function parseQuery(query: string): ValueMap {
  const map = emptyMap();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const key = decode(at === -1 ? pair : pair.slice(0, at), true);
    const value = at === -1 ? '' : decode(pair.slice(at + 1), true);
    if (Object.hasOwn(map, key)) (map[key] as Value[]).push(value);
    else map[key] = [value];
  }
  return map;
}

function decode(text: string, plusIsSpace: boolean): string {
  const plain = plusIsSpace ? text.replaceAll('+', ' ') : text;
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
