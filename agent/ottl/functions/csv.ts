// One row of CSV. Line ends inside of it are part of the field in which they stand.
//
//   strict        a field is quoted as a whole or not at all, "" in it is a quote
//   lazyQuotes    a quote may stand in a field that is not quoted, or alone in one that is
//   ignoreQuotes  quotes mean nothing

export type CsvMode = 'strict' | 'lazyQuotes' | 'ignoreQuotes';

/** Null when the row is not well-formed. */
export function splitCsv(row: string, delimiter: string, mode: CsvMode): string[] | null {
  if (row === '') return null;
  if (mode === 'ignoreQuotes') return row.split(delimiter);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const field = row[at] === '"' ? quotedField(row, at, delimiter, mode === 'lazyQuotes')
      : plainField(row, at, delimiter, mode === 'lazyQuotes');
    if (field === null) return null;
    fields.push(field.text);
    if (field.end === row.length) return fields;
    at = field.end + delimiter.length;
  }
}

interface Field {
  readonly text: string;
  readonly end: number;
}

function plainField(row: string, at: number, delimiter: string, lazy: boolean): Field | null {
  const found = row.indexOf(delimiter, at);
  const end = found === -1 ? row.length : found;
  const text = row.slice(at, end);
  return !lazy && text.includes('"') ? null : { text, end };
}

function quotedField(row: string, start: number, delimiter: string, lazy: boolean): Field | null {
  let text = '';
  for (let at = start + 1; at < row.length; at++) {
    if (row[at] !== '"') {
      text += row[at];
      continue;
    }
    const after = at + 1;
    if (row[after] === '"') {
      text += '"';
      at++;
    } else if (after === row.length || row.startsWith(delimiter, after)) {
      return { text, end: after };
    } else if (lazy) {
      text += '"';
    } else {
      return null;
    }
  }
  return lazy ? { text, end: row.length } : null;
}
