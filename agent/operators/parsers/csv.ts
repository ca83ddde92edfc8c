// csv_parser: fields with a delimiter between them (RFC 4180), named by a header that is written in
// the configuration or stands in an attribute of the record.

import * as z from 'zod';
import { fault } from '../../../config/schema.ts';
import { getField } from '../entry.ts';
import { parserKeys, parserStep } from '../parser.ts';
import { stepOperator } from '../step.ts';
import { named } from './json.ts';

export const csvParser = stepOperator({
  keys: () => ({
    ...parserKeys(),
    header: z.string().min(1).describe('Names of the fields, with the delimiter between them.')
      .optional(),
    header_attribute: z.string().min(1)
      .describe('Instead of header: the attribute that holds the names.').optional(),
    delimiter: z.string().length(1).describe('One character between fields.').default(','),
    header_delimiter: z.string().length(1)
      .describe('One character between the names; the delimiter unless set.').optional(),
    lazy_quotes: z.boolean()
      .describe('A quote may stand inside of a field, and a single one inside of quotes.')
      .default(false),
    ignore_quotes: z.boolean().describe('Quotes mean nothing: fields are split as they are.')
      .default(false),
  }),
  check: ({ header, header_attribute: attribute, delimiter, lazy_quotes: lazy, ignore_quotes: no },
    ctx) => {
    if ((header === undefined) === (attribute === undefined)) {
      fault(ctx, 'needs header or header_attribute, one of them');
    }
    if (/[\r\n"]/.test(delimiter)) fault(ctx, 'cannot be a delimiter', '', ['delimiter']);
    if (lazy && no) fault(ctx, 'cannot be set with ignore_quotes', '', ['lazy_quotes']);
  },
  create: (config, making) => {
    const { header, header_attribute: attribute, delimiter } = config;
    const namesOf = (text: string) => text.split(config.header_delimiter ?? delimiter);
    const fixed = header === undefined ? null : namesOf(header);
    return parserStep(config, making, (text, entry) => {
      const names = fixed ?? getField(entry, { root: 'attributes', keys: [attribute!] });
      if (typeof names !== 'string' && fixed === null) return 'the header is not there, or no text';
      const fields = config.ignore_quotes ? text.split(delimiter)
        : splitFields(text, delimiter, config.lazy_quotes);
      if (fields === null) return 'a quote stands where none may';
      return named(fixed ?? namesOf(names as string), fields);
    });
  },
});

/** The fields of one record; null when its quotes are wrong. */
function splitFields(text: string, delimiter: string, lazy: boolean): string[] | null {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const quoted = text[at] === '"' ? readQuoted(text, at, delimiter, lazy) : null;
    if (text[at] === '"' && quoted === null) return null;
    if (quoted !== null) {
      fields.push(quoted.field);
      at = quoted.end;
    } else {
      const next = text.indexOf(delimiter, at);
      const field = text.slice(at, next === -1 ? text.length : next);
      if (!lazy && field.includes('"')) return null;
      fields.push(field);
      at = next === -1 ? text.length : next;
    }
    if (at >= text.length) return fields;
    at += delimiter.length;
  }
}

/** A field that begins with the quote at `start`, and where it ends. */
function readQuoted(
  text: string, start: number, delimiter: string, lazy: boolean,
): { field: string; end: number } | null {
  let field = '';
  for (let at = start + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return lazy ? { field: field + text.slice(at), end: text.length } : null;
    field += text.slice(at, quote);
    at = quote + 1;
    if (at >= text.length || text[at] === delimiter) return { field, end: at };
    if (text[at] === '"') at++;
    else if (!lazy) return null;
    field += '"';
  }
}
