// The words of an expression: numbers, texts, names, signs, each with where it begins.
//
//   12  0x1f  1_000  2.5e3     "a\n"  'b'  `raw`     body  and     == ?? ?. .. ** && …
//
// A text in quotes has the escapes of Go: \n \t \r \a \b \f \v \\ \' \" \xFF A \U0001F600.

export interface Token {
  readonly kind: 'number' | 'text' | 'name' | 'sign' | 'end';
  /** The sign or name as written; what a text says. */
  readonly text: string;
  readonly at: number;
}

/** What is wrong with an expression, and at which character of it, from 0. */
export class ExpressionError extends Error {
  readonly at: number;

  constructor(why: string, at: number) {
    super(why);
    this.name = 'ExpressionError';
    this.at = at;
  }
}

/** Throws ExpressionError. The last token is the end. */
export function readTokens(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN.source, 'suy');
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) throw new ExpressionError(fault(text, at), at);
    const { number, name, sign, quoted, raw } = groups;
    if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, at });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, at });
    else if (raw !== undefined) tokens.push({ kind: 'text', text: raw.slice(1, -1), at });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: unquote(quoted, at), at });
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length });
  return tokens;
}

const TOKEN = new RegExp([
  /\s+|\/\/[^\n]*|\/\*.*?\*\//,
  /(?<number>0[xX][\da-fA-F_]+|(?:\d[\d_]*)(?:\.(?!\.)\d[\d_]*)?(?:[eE][+-]?\d+)?)(?![\w$])/,
  /(?<name>[A-Za-z_$][\w$]*)/,
  /(?<sign>&&|\|\||==|!=|<=|>=|\*\*|\?\?|\?\.|\.\.|[-+*/%^<>!?:.,()[\]{}|#])/,
  /(?<quoted>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/,
  /(?<raw>`[^`]*`)/,
].map(({ source }) => source).join('|'));

function fault(text: string, at: number): string {
  return /["'`]/.test(text[at]!) ? 'a text that does not end' : 'a sign that means nothing here';
}

const ESCAPES: Record<string, string> = {
  n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', "'": "'", '"': '"',
  '`': '`', '/': '/',
};

function unquote(quoted: string, at: number): string {
  const escape = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gsu;
  return quoted.slice(1, -1).replace(escape, (_found, ...groups: (string | number)[]) => {
    const [byte, short, long, letter, offset] = groups as [string?, string?, string?, string?,
      number?];
    const digits = byte ?? short ?? long;
    const code = digits === undefined ? null : Number.parseInt(digits, 16);
    if (code !== null && code <= 0x10ffff) return String.fromCodePoint(code);
    const known = ESCAPES[letter ?? ''];
    if (known !== undefined) return known;
    throw new ExpressionError('the escape is not known; write \\\\ for a backslash',
      at + 1 + (offset ?? 0));
  });
}
