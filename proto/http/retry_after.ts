// The Retry-After header (RFC 9110, section 10.2.3): seconds, or a date.

/** A longer wait is cut: an error in a date must not stop the delivery for days. */
const WAIT_MS_MAX = 3_600_000;

/** The wait in milliseconds from `nowMs`, or undefined when the header is absent or unreadable. */
export function parseRetryAfter(
  header: string | readonly string[] | undefined,
  nowMs: number,
): number | undefined {
  const text = (typeof header === 'string' ? header : header?.[0] ?? '').trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, WAIT_MS_MAX);
  // Date.parse would also take numbers and much else that is no date of HTTP.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const dateMs = Date.parse(text);
  if (Number.isNaN(dateMs)) return undefined;
  return Math.min(Math.max(0, dateMs - nowMs), WAIT_MS_MAX);
}
