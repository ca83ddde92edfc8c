// Cross-origin requests from browsers: which pages may send, and the answer to a preflight (Fetch
// standard, "HTTP-CORS protocol"). Without configuration no page gets an answer it may read, and a
// request with an Origin header is served like any other.

export interface CorsOptions {
  /** Origins such as `https://shop.example`; `*` in one stands for any characters. */
  readonly allowedOrigins: readonly string[];
  /** Headers that a page may send besides those that every page may. */
  readonly allowedHeaders: readonly string[];
  /** How long a browser may remember the answer to a preflight, in seconds. */
  readonly maxAgeSeconds: number;
}

type Headers = Readonly<Record<string, string>>;

/** Needed for every OTLP request, since its content type is none that pages may send freely. */
const ALWAYS_ALLOWED = ['content-type', 'content-encoding'];

/** Headers for any answer to a request from `origin`; none when that page may not send. */
export function corsHeaders(options: CorsOptions | undefined, origin: string | undefined): Headers {
  if (options === undefined || origin === undefined) return {};
  if (!options.allowedOrigins.some((pattern) => matches(pattern, origin))) return {};
  return { 'access-control-allow-origin': origin, vary: 'Origin' };
}

/** Headers for the answer to a preflight from `origin`. */
export function preflightHeaders(
  options: CorsOptions | undefined,
  origin: string | undefined,
): Headers {
  const headers = corsHeaders(options, origin);
  if (options === undefined || Object.keys(headers).length === 0) return {};
  return {
    ...headers,
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': [...ALWAYS_ALLOWED, ...options.allowedHeaders].join(', '),
    ...(options.maxAgeSeconds > 0
      ? { 'access-control-max-age': String(options.maxAgeSeconds) }
      : {}),
  };
}

function matches(pattern: string, origin: string): boolean {
  const parts = pattern.toLowerCase().split('*').map((part) =>
    part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(origin.toLowerCase());
}
