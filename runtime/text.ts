// A part of a text that does not keep the whole: what V8 cuts out of a long text points into it, so
// that a name of ten characters can hold on to a page of megabytes.

/** The same text in memory of its own. For what is kept longer than the text it was cut from. */
export function detached(part: string): string {
  return Buffer.from(part).toString();
}
