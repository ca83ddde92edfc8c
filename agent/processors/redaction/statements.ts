// Takes what people entered out of statements of databases and out of URLs; their structure stays.
// All of it is linear in the text: no repetition holds what comes behind it.

/** Words, quoted names, strings, numbers, comments of SQL; what is between them is copied. */
const SQL = new RegExp([
  "(?<text>[EeNnXxBb]?'(?:[^'\\\\]|\\\\.|'')*(?:'|$)|\\$(?<tag>\\w*)\\$.*?(?:\\$\\k<tag>\\$|$))",
  '(?<name>"(?:[^"]|"")*(?:"|$)|`[^`]*(?:`|$)|\\[[^\\]]*(?:\\]|$))',
  '(?<word>[A-Za-z_@#\\u0080-\\uffff][\\w@#$.\\u0080-\\uffff]*)',
  '(?<number>[-+]?(?<![\\w.])(?:0[xX][0-9a-fA-F]+|\\d+(?:\\.\\d*)?(?:[eE][-+]?\\d+)?))',
].join('|'), 'gs');
const SQL_WORDS = new Set(['true', 'false', 'null']);

/** `SELECT * FROM users WHERE id = ?` */
export const cleanSql = (text: string): string => text.replace(SQL, (...found: unknown[]) => {
  const whole = found[0] as string;
  const { text: literal, word, number } = found.at(-1) as Record<string, string | undefined>;
  if (literal !== undefined || number !== undefined) return '?';
  return word !== undefined && SQL_WORDS.has(word.toLowerCase()) ? '?' : whole;
});

/** Commands whose first argument is no key. */
const KEYLESS = new Set(['AUTH', 'HELLO', 'ECHO', 'EVAL', 'EVALSHA', 'CONFIG', 'ACL', 'MIGRATE']);

/** `SET user:1 ?`: the command and its key stay, of each line. */
export const cleanRedis = (text: string): string => text.split('\n').map((line) => {
  const [command = '', key, ...rest] = line.trim().split(/\s+/);
  if (key === undefined) return command;
  if (KEYLESS.has(command.toUpperCase())) return `${command} ?`;
  return rest.length === 0 ? `${command} ${key}` : `${command} ${key} ?`;
}).join('\n');

/** `set mykey 0 60 5`: what is stored stands behind the first line. */
export const cleanMemcached = (text: string): string => text.split(/\r?\n/, 1)[0]!;

/** The scalars of a JSON document become "?"; what is none becomes ? as a whole. */
export function cleanJson(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text, (_key, value: unknown) =>
      (typeof value === 'object' && value !== null ? value : '?'));
    return JSON.stringify(parsed);
  } catch {
    return /^\s*[{[]/.test(text) ? '?' : text;
  }
}

/** Letters and not too many, a version such as v2, or empty: the same in all requests. */
const WORD = /^(?:[A-Za-z][A-Za-z._-]{0,24}|v\d{1,3}(?:\.\d{1,3})?|)$/;
const NO_WORD = /^(?:[0-9a-fA-F-]{16,}|[^aeiouyAEIOUY]{6,})$/;

/** `/api/users/*`: parts of a path that are no words become *, and what is behind ? or # goes. */
export function cleanUrl(text: string): string {
  const [path] = text.split(/[?#]/, 1) as [string];
  const start = /^(?:[A-Za-z]+ )?(?:[a-z][a-z0-9+.-]*:\/\/[^/\s]*)?/.exec(path)![0];
  const parts = path.slice(start.length).split('/').map((part) =>
    (WORD.test(part) && !NO_WORD.test(part) ? part : '*'));
  return start + parts.join('/');
}
