// The functions of templates: Go's own, those of Prometheus' annotations, and those of
// Alertmanager's messages. Regular expressions take time linear in the text.

import { parseDuration } from '../../config/schema.ts';
import { RegexError } from '../../config/regex/tree.ts';
import { TemplateFailure } from './failure.ts';
import { humanize, humanize1024, humanizeDuration, humanizePercentage, humanizeTimestamp }
  from './humanize.ts';
import { sprintf } from './printf.ts';
import { matches, replaceAll } from './regex.ts';
import { compared, fieldOf, formatTime, isEqual, isMap, isTrue, keyed, numberOf, textOf, timeOf }
  from './values.ts';

/** Values by name that functions such as `externalURL` take from what is rendered. */
type Variables = Readonly<Record<string, unknown>>;

type Args = readonly unknown[];

/** Throws TemplateFailure. */
export function callFunction(name: string, args: Args, variables: Variables): unknown {
  const called = FUNCTIONS[name]!;
  if (args.length < called.least || args.length > called.most) {
    throw new TemplateFailure(`${name} takes another number of values`);
  }
  return called.call(args, variables);
}

interface TemplateFunction {
  readonly least: number;
  readonly most: number;
  readonly call: (args: Args, variables: Variables) => unknown;
}

const takes = (least: number, most: number, call: TemplateFunction['call']): TemplateFunction =>
  ({ least, most, call });
const ofText = (call: (text: string) => unknown) => takes(1, 1, ([value]) => call(textOf(value)));
const ofNumber = (call: (value: number) => string) =>
  takes(1, 1, ([value]) => call(numberOf(value)));
const ordered = (holds: (order: number) => boolean) =>
  takes(2, 2, ([one, other]) => holds(compared(one, other)));

const GO: Readonly<Record<string, TemplateFunction>> = {
  // Both are called by the rendering itself, which does not look at what it need not.
  and: takes(1, Infinity, (args) => args.find((one) => !isTrue(one)) ?? args.at(-1)),
  or: takes(1, Infinity, (args) => args.find(isTrue) ?? args.at(-1)),
  not: takes(1, 1, ([value]) => !isTrue(value)),
  eq: takes(2, Infinity, ([first, ...rest]) => rest.some((one) => isEqual(first, one))),
  ne: takes(2, 2, ([one, other]) => !isEqual(one, other)),
  lt: ordered((order) => order < 0),
  le: ordered((order) => order <= 0),
  gt: ordered((order) => order > 0),
  ge: ordered((order) => order >= 0),
  len: takes(1, 1, ([value]) => (typeof value === 'string' ? Buffer.byteLength(value)
    : keyed(value).length)),
  index: takes(1, 10, ([value, ...keys]) => keys.reduce(indexed, value)),
  slice: takes(1, 3, sliced),
  print: takes(0, Infinity, printed),
  println: takes(0, Infinity, (args) => `${args.map(textOf).join(' ')}\n`),
  printf: takes(1, Infinity, ([format, ...args]) => sprintf(textOf(format), args)),
  html: ofText(escapedHtml),
  js: ofText((text) => JSON.stringify(text).slice(1, -1).replaceAll("'", "\\'")),
  urlquery: ofText((text) => encodeURIComponent(text).replaceAll('%20', '+')),
};

const PROMETHEUS: Readonly<Record<string, TemplateFunction>> = {
  humanize: ofNumber(humanize),
  humanize1024: ofNumber(humanize1024),
  humanizeDuration: ofNumber(humanizeDuration),
  humanizePercentage: ofNumber(humanizePercentage),
  humanizeTimestamp: ofNumber(humanizeTimestamp),
  toTime: ofNumber(humanizeTimestamp),
  parseDuration: ofText((text) => {
    const ms = parseDuration(text);
    if (ms === null) throw new TemplateFailure('this is no duration');
    return ms / 1000;
  }),
  title: ofText((text) => text.replace(/(^|[^\p{L}\p{N}'])(\p{L})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase())),
  toUpper: ofText((text) => text.toUpperCase()),
  toLower: ofText((text) => text.toLowerCase()),
  trimSpace: ofText((text) => text.trim()),
  stripPort: ofText((text) => text.replace(/^\[(.*)\]:\d+$/, '$1').replace(/^([^:]*):\d+$/, '$1')),
  stripDomain: ofText((text) => (/^[\d.]+(:\d+)?$|^\[/.test(text) ? text
    : text.replace(/^([^.:]*)\.[^:]*/, '$1'))),
  match: takes(2, 2, ([regex, text]) => asked(() => matches(textOf(regex), textOf(text)))),
  reReplaceAll: takes(3, 3, ([regex, by, text]) =>
    asked(() => replaceAll(textOf(regex), textOf(by), textOf(text)))),
  first: takes(1, 1, ([list]) => indexed(list, 0)),
  externalURL: takes(0, 0, (_, variables) => textOf(variables['externalURL'])),
  pathPrefix: takes(0, 0, (_, variables) => pathOf(textOf(variables['externalURL']))),
};

const ALERTMANAGER: Readonly<Record<string, TemplateFunction>> = {
  join: takes(2, 2, ([between, list]) => keyed(list).map(([, one]) => textOf(one))
    .join(textOf(between))),
  safeHtml: ofText((text) => text),
  safeUrl: ofText((text) => text),
  stringSlice: takes(0, Infinity, (args) => args.map(textOf)),
  list: takes(0, Infinity, (args) => [...args]),
  toJson: takes(1, 1, ([value]) => JSON.stringify(value) ?? 'null'),
  date: takes(2, 2, ([layout, value]) => {
    const time = timeOf(value);
    if (time === null) throw new TemplateFailure('this is no time');
    return formatTime(time, textOf(layout));
  }),
};

const FUNCTIONS: Readonly<Record<string, TemplateFunction>> =
  { ...GO, ...PROMETHEUS, ...ALERTMANAGER };

export const FUNCTION_NAMES: readonly string[] = Object.keys(FUNCTIONS);

function indexed(value: unknown, key: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (isMap(value)) return fieldOf(value, [textOf(key)]);
  if (!Array.isArray(value) || typeof key !== 'number') {
    throw new TemplateFailure('this has no such part');
  }
  if (key < 0 || key >= value.length) throw new TemplateFailure('there are not so many');
  return value[key] as unknown;
}

function sliced([value, from = 0, to]: Args): unknown {
  const size = typeof value === 'string' || Array.isArray(value) ? value.length : -1;
  const [start, end] = [numberOf(from), to === undefined ? size : numberOf(to)];
  if (size < 0 || start < 0 || end < start || end > size) {
    throw new TemplateFailure('there are not so many');
  }
  return (value as string | unknown[]).slice(start, end);
}

/** A blank stands between two values of which neither is text. */
function printed(args: Args): string {
  return args.reduce<string>((text, arg, index) => {
    const isApart = index > 0 && typeof arg !== 'string' && typeof args[index - 1] !== 'string';
    return text + (isApart ? ' ' : '') + textOf(arg);
  }, '');
}

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;',
};

function escapedHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => HTML[found]!);
}

const pathOf = (url: string): string => /^[a-z]+:\/\/[^/]*(.*?)\/?$/i.exec(url)?.[1] ?? '';

function asked<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof RegexError) throw new TemplateFailure(error.message);
    throw error;
  }
}
