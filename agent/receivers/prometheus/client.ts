// Asks for a page over HTTP, once. A page that is too large, too slow or not there is a value, not
// an error: whoever asked decides what that means.
//
// Promises: never more than `bytesMax` of a page are kept, packed or unpacked; an answer comes
// within `timeoutMs`; redirects are followed 10 times at most, and who asks is then not told to
// another host (undici takes Authorization away).

import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Agent, interceptors, type Dispatcher } from 'undici';
import { readClientPem } from '../../../proto/tls.ts';
import { errorCode, errorMessage, systemCause } from '../../../runtime/errors.ts';
import type { World } from '../../../runtime/world.ts';
import type { ClientConfig } from './client_config.ts';

export const limits = {
  redirects: 10,
  /** Connections to one target that are open at the same time. */
  connections: 2,
} as const;

export interface PageRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Of the page, unpacked. */
  readonly bytesMax: number;
}

export type PageAnswer =
  | {
    readonly ok: true;
    readonly body: Buffer;
    readonly contentType: string;
    readonly header: (name: string) => string | undefined;
  }
  | { readonly ok: false; readonly why: string };

export interface PageClient {
  /** Reads certificates. Throws OperatorError. */
  start(): Promise<void>;
  /** Never throws. */
  get(request: PageRequest, abort: AbortSignal): Promise<PageAnswer>;
  /** Drops all connections; `get` may be called until then. */
  close(): Promise<void>;
}

const unpack = promisify(gunzip);

/** `setting` is the configuration path of the section that `config` stands in. */
export function createPageClient(
  config: ClientConfig,
  world: World,
  setting: string,
): PageClient {
  let agent: Agent | undefined;
  let dispatcher: Dispatcher | undefined;
  return {
    start: async () => {
      agent = new Agent({
        connections: limits.connections,
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: await tlsOf(config, world, setting),
      });
      dispatcher = config.follow_redirects
        ? agent.compose(interceptors.redirect({ maxRedirections: limits.redirects }))
        : agent;
    },
    get: async (request, abort) => {
      if (dispatcher === undefined) return { ok: false, why: 'the receiver is not running' };
      try {
        const headers = { ...request.headers, ...await ownHeaders(config, world) };
        return await ask(dispatcher, { ...request, headers }, world, abort);
      } catch (error) {
        return { ok: false, why: causeOf(error) };
      }
    },
    close: async () => {
      dispatcher = undefined;
      await agent?.destroy();
      agent = undefined;
    },
  };
}

async function tlsOf(
  { tls_config: tls }: ClientConfig,
  { files }: World,
  setting: string,
): Promise<Record<string, unknown>> {
  if (tls === undefined) return {};
  const pem = await readClientPem(files, {
    caFile: tls.ca_file, certFile: tls.cert_file, keyFile: tls.key_file,
  }, `${setting}.tls_config`);
  return {
    ca: pem.ca ?? tls.ca,
    cert: pem.cert ?? tls.cert,
    key: pem.key ?? tls.key,
    servername: tls.server_name,
    rejectUnauthorized: !tls.insecure_skip_verify,
  };
}

/** The headers of the configuration; files are read anew each time. */
async function ownHeaders(
  config: ClientConfig,
  world: World,
): Promise<Record<string, string | string[]>> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, { values, secrets, files }] of Object.entries(config.http_headers)) {
    const read = await Promise.all(files.map((file) => textOf(file, world)));
    headers[name.toLowerCase()] = [...values, ...secrets, ...read];
  }
  const authorization = await authorizationOf(config, world);
  return authorization === null ? headers : { ...headers, authorization };
}

async function authorizationOf(config: ClientConfig, world: World): Promise<string | null> {
  const { basic_auth: basic, authorization, bearer_token, bearer_token_file } = config;
  if (basic !== undefined) {
    const name = await fileOr(basic.username_file, basic.username, world);
    const password = await fileOr(basic.password_file, basic.password, world);
    return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  }
  const word = authorization?.type ?? 'Bearer';
  const file = authorization?.credentials_file ?? bearer_token_file;
  const text = authorization?.credentials ?? bearer_token;
  if (file === undefined && text === undefined) return null;
  return `${word} ${await fileOr(file, text ?? '', world)}`;
}

const fileOr = async (file: string | undefined, text: string, world: World): Promise<string> =>
  (file === undefined ? text : textOf(file, world));

async function textOf(file: string, { files }: World): Promise<string> {
  try {
    const text = await files.readText(file);
    if (text !== null) return text.trim();
  } catch (error) {
    throw new Error(`cannot read ${file}: ${systemCause(error)}`);
  }
  throw new Error(`cannot read ${file}: it does not exist`);
}

interface Asked extends Omit<PageRequest, 'headers'> {
  readonly headers: Record<string, string | string[]>;
}

async function ask(
  dispatcher: Dispatcher,
  { url, headers, timeoutMs, bytesMax }: Asked,
  { clock }: World,
  abort: AbortSignal,
): Promise<PageAnswer> {
  const cancel = new AbortController();
  let late = false;
  const timer = clock.after(timeoutMs, () => {
    late = true;
    cancel.abort();
  });
  const give = () => cancel.abort();
  abort.addEventListener('abort', give, { once: true });
  if (abort.aborted) give();
  try {
    const response = await dispatcher.request({
      origin: url.origin, path: `${url.pathname}${url.search}`, method: 'GET', headers,
      signal: cancel.signal,
    });
    return await answerOf(response, bytesMax);
  } catch (error) {
    if (late) return { ok: false, why: `no answer within ${timeoutMs} ms` };
    if (abort.aborted) return { ok: false, why: 'it was given up' };
    throw error;
  } finally {
    timer.cancel();
    abort.removeEventListener('abort', give);
  }
}

async function answerOf(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  bytesMax: number,
): Promise<PageAnswer> {
  const header = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  if (statusCode !== 200) {
    body.on('error', () => {}).destroy();
    return { ok: false, why: `HTTP ${statusCode}` };
  }
  const tooLarge = { ok: false, why: `the page has more than ${bytesMax} bytes` } as const;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) return tooLarge;
    chunks.push(chunk);
  }
  const packed = Buffer.concat(chunks);
  const encoding = header('content-encoding')?.toLowerCase() ?? 'identity';
  const contentType = header('content-type') ?? '';
  if (encoding === 'identity') return { ok: true, body: packed, contentType, header };
  if (encoding !== 'gzip') return { ok: false, why: 'the page is packed in an unknown way' };
  try {
    const unpacked = await unpack(packed, { maxOutputLength: bytesMax });
    return { ok: true, body: unpacked, contentType, header };
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') return tooLarge;
    return { ok: false, why: 'the page cannot be unpacked' };
  }
}

function causeOf(error: unknown): string {
  if (errorMessage(error).startsWith('Redirect loop')) return 'the redirects go in a circle';
  const cause = error instanceof AggregateError ? error.errors.at(-1) : error;
  return errorCode(cause).startsWith('UND_') ? errorMessage(cause) : systemCause(cause);
}
