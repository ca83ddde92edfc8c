// SQL as a text that people write in files and at a prompt: where one statement ends and the next
// begins. Quotes ('…' "…" `…`, with \ or doubled), comments (--, #!, # and a blank, /* … */) and
// here-documents ($tag$ … $tag$) are those of ClickHouse's lexer; a semicolon within them ends
// nothing. An unclosed quote or comment goes to the end.

export interface Piece {
  /** Without the semicolon and without blanks around it. */
  readonly sql: string;
  /** Index of its first character. */
  readonly start: number;
  /** A semicolon stands behind it. */
  readonly ended: boolean;
}

type Kind = 'code' | 'quote' | 'comment' | 'end';

interface Segment {
  readonly kind: Kind;
  readonly text: string;
  readonly start: number;
}

const SEGMENT = new RegExp([
  /(?<quote>'(?:[^'\\]+|\\[\s\S]|'')*'?|"(?:[^"\\]+|\\[\s\S]|"")*"?|`(?:[^`\\]+|\\[\s\S]|``)*`?)/,
  /(?<here>\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$)/,
  /(?<comment>--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?(?:\*\/|$))/,
  /(?<end>;)/,
  /[^'"`\-#/$;]+|[\s\S]/,
].map(({ source }) => source).join('|'), 'g');

/** Statements in order; what is only blanks and comments is none. */
export function splitStatements(text: string): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  let hasCode = false;
  const finish = (end: number, ended: boolean) => {
    const raw = text.slice(start, end);
    const blanks = raw.length - raw.trimStart().length;
    if (hasCode) pieces.push({ sql: raw.trim(), start: start + blanks, ended });
    start = end + 1;
    hasCode = false;
  };
  for (const segment of segmentsOf(text)) {
    if (segment.kind === 'end') finish(segment.start, true);
    else if (segment.kind !== 'comment' && segment.text.trim() !== '') hasCode = true;
  }
  finish(text.length, false);
  return pieces;
}

/** Whether a semicolon at the end of `text` would end a statement: it is in no quote or comment. */
export function isOpen(text: string): boolean {
  const MARK = ';';
  const last = segmentsOf(text + MARK).at(-1)!;
  return last.kind !== 'end';
}

/** The statement's own FORMAT; null when it has none. */
export function ownFormat(sql: string): string | null {
  const code = segmentsOf(sql).map(({ kind, text }) => (kind === 'code' ? text : ' ')).join('');
  const found = /\bFORMAT\s+([A-Za-z]\w*)\s*(?:\bSETTINGS\b[\s\S]*)?$/i.exec(code);
  return found === null || NO_FORMATS.test(found[1]!) ? null : found[1]!;
}

/** What can stand behind a column that is called `format`. */
const NO_FORMATS = /^(?:asc|desc|nulls|as|from|settings)$/i;

/** The same statement in one line, as a history keeps it. */
export function inOneLine(sql: string): string {
  let line = '';
  for (const { kind, text } of segmentsOf(sql)) {
    if (kind === 'quote') {
      line += text.replaceAll('\n', '\\n');
      continue;
    }
    const shown = /^(?:--|#)/.test(text) && kind === 'comment' ? ' ' : text.replace(/\s+/g, ' ');
    line += line.endsWith(' ') ? shown.trimStart() : shown;
  }
  return line.trim();
}

function segmentsOf(text: string): Segment[] {
  return [...text.matchAll(SEGMENT)].map((match) => {
    const { quote, here, comment, end } = match.groups!;
    const kind: Kind = quote !== undefined || here !== undefined ? 'quote'
      : comment !== undefined ? 'comment' : end !== undefined ? 'end' : 'code';
    return { kind, text: match[0], start: match.index };
  });
}
