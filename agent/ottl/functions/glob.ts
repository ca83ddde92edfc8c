// Patterns of Go's filepath.Match: `*` is any text without a slash, `?` one character but a slash,
// `[a-z]` and `[^a-z]` one of a class, `\x` the character itself. The whole text must match.

/** Null when it cannot be read. */
export function parseGlob(glob: string): RegExp | null {
  let source = '';
  const piece = /\\([\s\S])|\[(\^?)((?:\\[\s\S]|[^\]\\])+)\]|([*?])|([^\\[])/y;
  while (piece.lastIndex < glob.length) {
    const match = piece.exec(glob);
    if (match === null) return null;
    const [, escaped, negated, members, wild, plain] = match;
    if (members !== undefined) source += `[${negated}${members.replace(/[[&]/g, '\\$&')}]`;
    else if (wild !== undefined) source += wild === '*' ? '[^/]*' : '[^/]';
    else source += (escaped ?? plain)!.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  }
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    return null;
  }
}
