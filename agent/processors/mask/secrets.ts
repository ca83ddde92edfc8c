// Passwords, keys and tokens that are known by what stands around them: a name and a separator, the
// scheme of an Authorization header, the user in a URL, the lines around a private key, SQL.
//
// Every search here is linear: a repetition is bounded, or ends at a character that it cannot
// contain itself.

import { STARS, type Hide } from './rule.ts';
import { isTokenHeader } from './validators.ts';

const KEY_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;

/** Private keys (RFC 7468), each to its last line; to the end of the text if that is missing. */
export function hidePrivateKeys(text: string, hide: Hide): string {
  let result = '';
  let copied = 0;
  for (let at = text.indexOf('-----BEGIN '); at !== -1; at = text.indexOf('-----BEGIN ', at)) {
    const begin = matchAt(KEY_BEGIN, text, at);
    if (begin === 0) {
      at += 1;
      continue;
    }
    const end = keyEnd(text, at + begin);
    result += text.slice(copied, at) + hide(text.slice(at, end));
    copied = end;
    at = end;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

function keyEnd(text: string, from: number): number {
  const end = closingLine(text, from);
  return end === -1 ? text.length : end;
}

function closingLine(text: string, from: number): number {
  const line = '-----END ';
  for (let at = text.indexOf(line, from); at !== -1; at = text.indexOf(line, at + 1)) {
    const size = matchAt(KEY_END, text, at);
    if (size > 0) return at + size;
  }
  return -1;
}

/** Whether a private key begins in the text and does not end in it. */
export function endsInKey(text: string): boolean {
  const at = text.lastIndexOf('-----BEGIN ');
  if (at === -1) return false;
  const begin = matchAt(KEY_BEGIN, text, at);
  return begin > 0 && closingLine(text, at + begin) === -1;
}

/** A line of a private key without its first: base64, a header of RFC 1421, or the last line. */
export const isKeyLine = (text: string): boolean => KEY_LINE.test(text.slice(0, 200));

const KEY_LINE = new RegExp('^\\s*(?:[A-Za-z0-9+/=]{1,80}'
  + '|(?:Proc-Type|DEK-Info|Comment|Version): .{1,80}|-----END .{1,60}-----)\\s*$');

export const endsKey = (text: string): boolean => text.includes('-----END ');

function matchAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

const JWT = /(?<![\w-])(eyJ[\w-]{10,})\.[\w-]{2,}(?:\.[\w-]*){1,3}/g;

/** JSON Web Tokens, signed (RFC 7515) or encrypted (RFC 7516). */
export const hideWebTokens = (text: string, hide: Hide): string =>
  text.replace(JWT, (token, header: string) => (isTokenHeader(header) ? hide(token) : token));

const SCHEME = new RegExp('(?<![\\w-])(bearer|basic|negotiate|ntlm|apikey|token)(\\s{1,3}|%20)'
  + '([A-Za-z0-9+/_.~-]{8,4096}={0,2})', 'gi');

/** What follows the scheme in an Authorization header (RFC 9110, 11.6.2). */
export const hideCredentials = (text: string, hide: Hide): string =>
  text.replace(SCHEME, (whole, scheme: string, gap: string, credentials: string) => {
    const isBasic = scheme.toLowerCase() === 'basic';
    if (isBasic ? !isUserAndPassword(credentials) : !looksRandom(credentials)) return whole;
    return scheme + gap + hide(credentials);
  });

function isUserAndPassword(base64: string): boolean {
  return /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(Buffer.from(base64, 'base64').toString('latin1'));
}

/** No word, number or version: letters and digits mixed, as in keys. */
export function looksRandom(text: string): boolean {
  if (text.length < 8 || !/[A-Za-z]/.test(text)) return false;
  return /\d/.test(text) || (text.length >= 20 && /[a-z][A-Z]|[A-Z]{2}[a-z]/.test(text));
}

const USER_MAX = 300;
const USER = /^([^\s/?#"'<>:@]{0,150}):([^\s/?#"'<>@]{1,150})@/;

/** The password in `scheme://user:password@host` (RFC 3986, 3.2.1). */
export function hideUrlPasswords(text: string, hide: Hide): string {
  let result = '';
  let copied = 0;
  for (let at = text.indexOf('://'); at !== -1; at = text.indexOf('://', at + 3)) {
    const match = USER.exec(text.slice(at + 3, at + 3 + USER_MAX));
    if (match === null || isHidden(match[2]!)) continue;
    const start = at + 4 + match[1]!.length;
    result += text.slice(copied, start) + hide(match[2]!);
    copied = start + match[2]!.length;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

const COOKIES = new RegExp('(cookie2?["\'\\\\\\]]{0,3}\\s{0,3}[:=]\\s{0,3}[\\[]?["\'\\\\]{0,3})'
  + '([^\\s=;,"\'\\\\]{1,256}=[^\\s;,"\'\\\\]*'
  + '(?:;\\s?[^\\s=;,"\'\\\\]{1,256}(?:=[^;,"\'\\\\\\r\\n]*)?)*)', 'gi');

/** All of a Cookie or Set-Cookie header (RFC 6265). */
export const hideCookies = (text: string, hide: Hide): string =>
  text.replace(COOKIES, (_whole, name: string, value: string) => name + hide(value));

/** Placeholders, masks and words that stand where a secret would. */
const NO_SECRET = new RegExp('^(?:(?:(?:bearer|basic|token|apikey|digest) )?\\*+|[xX]{3,}|\\.+|-+'
  + '|null|nil|none|undefined|true|false|yes|no|on'
  + '|off|empty|unset|set|missing|invalid\\w*|expired|required|redacted|masked|hidden|removed'
  + '|filtered'
  + '|n/a|ok|success\\w*|fail\\w*|errors?|unknown|default|string|str|text|optional|changed|updated'
  + '|reset|incorrect|wrong|reject\\w*|accepted|denied|not|is|for|was|has|of|from|with|and|or|to'
  + '|the'
  + '|an?|user|uid|must|should|bearer|basic|digest|negotiate|ntlm|aws4-hmac-sha256'
  + '|%[sdvq@]|\\$\\{.*|\\{\\{.*|\\{\\w*\\}?|<[\\w -]+>?|\\[[\\w -]+\\]?'
  + '|\\[\\w+:[a-p]{16}\\]?)$', 'i');

export const isHidden = (value: string): boolean => NO_SECRET.test(value.slice(0, 100));

/** Before `token`: what pages through lists or counts, and opens nothing. */
const HARMLESS = '(?:page|next|prev|continuation|cursor|sync|resume|cancel|cancellation|stop|eos'
  + '|bos'
  + '|pad|max|min|num|per|first|last|input|output|prompt|completion|total|unexpected|syntax)[_ -]?';
const NAMES = [
  '(?<pass>pass(?:words?|wd|phrase|code)|passwd|pwd|(?<![A-Za-z])(?:pass|pw|cvv2?|cvc2?'
    + '|pin[_-]?code))',
  `token(?<!${HARMLESS}token)`,
  'secret(?:[_-]?id|[_-]?(?:access)?[_-]?key(?:[_-]?base)?)?',
  '(?:api|access|private|encrypt(?:ion)?|sign(?:ing)?|account|master|auth|ssh'
    + '|license)[_-]?key(?:[_-]?id)?',
  'credentials?', 'authorization', 'connect\\.sid',
  '(?:phpsess|jsession|asp\\.net_session|(?<![A-Za-z])sess)_?id',
  '(?<=[?&;])(?:sig|signature|key|code|auth|x-amz-(?:signature|credential))', 'x-amz-signature',
  '(?<![A-Za-z])otp', 'subscription-key', 'dsn',
].join('|');
const TAIL = '(?:[_-]?(?:value|hash|old|new|confirm(?:ation)?|\\d{1,2}))?';
const NAMED = new RegExp(`(?:${NAMES})${TAIL}(?<close>["'\\]\\\\]{0,4})`
  + '(?<gap>\\s{0,4}(?:=>|:=|==?|:)\\s{0,4}|>)[\\[(]?(?:'
  + '\\\\{1,3}"(?<escaped>[^"\\\\]*)|"(?<double>(?:[^"\\\\]|\\\\.)*)|\'(?<single>(?:[^\'\\\\]'
  + '|\\\\.)*)'
  + '|(?<bare>[^\\s"\'`,;&<>\\\\]+))', 'gis');

/** The value of `name=value`, `name: value`, `"name":"value"`, `<name>value</name>`. */
export function hideNamed(text: string, hide: Hide): string {
  return text.replace(NAMED, (...found: unknown[]) => {
    const whole = found[0] as string;
    const groups = found.at(-1) as Record<string, string | undefined>;
    const offset = found.at(-3) as number;
    const value = secretIn(groups, text, offset + whole.length);
    if (value === null) return whole;
    // The value is last, but for what was trimmed off.
    const start = whole.lastIndexOf(value);
    return whole.slice(0, start) + hide(value) + whole.slice(start + value.length);
  });
}

/** Null: what stands there is no secret. `end` is where the text goes on. */
function secretIn(
  groups: Readonly<Record<string, string | undefined>>,
  text: string,
  end: number,
): string | null {
  const { escaped, double, single, bare, gap, pass, close } = groups;
  const quoted = escaped ?? double ?? single;
  const value = quoted ?? bare!.replace(/[)\]}.:]{1,10}$/, '');
  if (value === '' || isHidden(value)) return null;
  const isPassword = pass !== undefined;
  if (!isPassword && quoted === undefined && OBJECT.test(value)) return null;
  if (isPassword && /^(?:pwd|pw)$/i.test(pass) && value.startsWith('/')) return null;
  // A word of one form with what is quoted is a value; so is what stands behind an equals sign.
  if (quoted !== undefined || gap!.includes('=') || gap === '>') {
    return isPassword || !isPlainNumber(value) ? value : null;
  }
  // In `name: value` of prose the value may be a word of a sentence.
  if (isPassword && /^(?:pass|pw)$/i.test(pass) && close === '') return null;
  if (!isPassword && close === '') return looksRandom(value) ? value : null;
  if (!isPassword) return isPlainNumber(value) ? null : value;
  return /^[a-z]+$/i.test(value) && / [A-Za-z]/.test(text.slice(end, end + 2)) ? null : value;
}

/** How Java and others print objects, and dotted names: `Token{a64f992`, `BinderProxy@2bd79ce`. */
const OBJECT = /^[\w.$]+(?:@[0-9a-f]{1,8}|\{[0-9a-f]*)$|^[a-zA-Z]+(?:\.[a-zA-Z]+){2,}(?:\/\d*)?$/;

const isPlainNumber = (value: string): boolean => /^-?\d{1,9}(?:\.\d+)?$/.test(value);

const OPTION = new RegExp('(?<![\\w-])--?(?:[\\w-]{0,30}-)?(?:password|passwd|passphrase|pwd|token'
  + '|secret|api-?key|access-?key|secret-?key)\\s{1,3}["\']?([^\\s"\'-][^\\s"\']{0,500})', 'gi');
const SPOKEN = /\b(?:pass(?:word|phrase)|secret|token|pin) (?:is|was|=|to) ["']?([^\s"']{4,200})/gi;

/** `--password hunter2` of a command line, and `password is hunter2`. */
export function hideSpoken(text: string, hide: Hide): string {
  const options = text.replace(OPTION, (whole, value: string) =>
    (isHidden(value) ? whole : whole.slice(0, whole.length - value.length) + hide(value)));
  return options.replace(SPOKEN, (whole, value: string) =>
    (isHidden(value) || !/\d|[^\w.,:;!?)-]/.test(value) || isPlainNumber(value) ? whole
      : whole.slice(0, whole.length - value.length) + hide(value)));
}

const SQL_PASSWORD = new RegExp('\\b(identified\\s{1,5}(?:with\\s{1,5}\\w{1,40}\\s{1,5})?by'
  + '|password)'
  + "(\\s{1,5}|\\s{0,5}\\(\\s{0,5})'((?:[^'\\\\]|\\\\.|'')*)'", 'gi');
const SQL_INSERT = new RegExp('\\binsert\\s{1,5}into\\s{1,5}[\\w."`[\\]]{1,200}\\s{0,5}'
  + '\\(([^()]{1,2000})\\)\\s{0,5}values\\s{0,5}', 'gi');
const SQL_VALUE = /\s*(?:'((?:[^'\\]|\\.|'')*)'|[^,()']*)\s*([,)])/y;

/** Passwords in SQL: `IDENTIFIED BY '…'`, `PASSWORD '…'`, and the values of an INSERT. */
export function hideSql(text: string, hide: Hide, isSecret: (column: string) => boolean): string {
  const passwords = text.replace(SQL_PASSWORD, (whole, words: string, gap: string, value: string) =>
    (isHidden(value) || value === '' ? whole : `${words}${gap}'${hide(value)}'`));
  let result = '';
  let copied = 0;
  for (const match of passwords.matchAll(SQL_INSERT)) {
    const secret = match[1]!.split(',').map((name) => isSecret(name.replace(/[\s"'`[\]]/g, '')));
    if (!secret.includes(true)) continue;
    for (const { start, end } of sqlSecrets(passwords, match.index + match[0].length, secret)) {
      if (start < copied || isHidden(passwords.slice(start, end))) continue;
      result += passwords.slice(copied, start) + hide(passwords.slice(start, end));
      copied = end;
    }
  }
  return copied === 0 ? passwords : result + passwords.slice(copied);
}

/** Where the quoted values of these columns stand in the rows that begin at `from`. */
function sqlSecrets(text: string, from: number, secret: readonly boolean[]) {
  const found: { start: number; end: number }[] = [];
  let at = from;
  while (text[at] === '(') {
    at += 1;
    for (let column = 0; ; column += 1) {
      SQL_VALUE.lastIndex = at;
      const match = SQL_VALUE.exec(text);
      if (match === null) return found;
      const [whole, quoted, last] = match;
      if (quoted !== undefined && quoted !== '' && secret[column] === true) {
        const start = at + whole.indexOf("'") + 1;
        found.push({ start, end: start + quoted.length });
      }
      at += whole.length;
      if (last === ')') break;
    }
    at += /^\s{0,5},\s{0,5}(?=\()/.exec(text.slice(at, at + 12))?.[0].length ?? 0;
  }
  return found;
}

/** What stands for a value whose name says that it is a secret. */
export const hideAll = (text: string, hide: Hide): string =>
  (text === '' || isHidden(text) ? text : hide(text, STARS));
