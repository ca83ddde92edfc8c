// The connection to ClickHouse: one HTTP client per address, for the embedded engine and for a
// server alike. The embedded engine may come back on another port after it was restarted, so the
// address is asked for anew with each use.

import type { Readable } from 'node:stream';
import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { ClickHouseClient, ExecParams, ExecResult } from '@clickhouse/client';

export interface ConnectionOptions {
  /** `http(s)://host:port` of ClickHouse's HTTP interface, asked for at each use. */
  readonly url: () => string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
}

export const limits = {
  /** A connection that is silent for longer is given up; the request has failed then. */
  silenceMs: 300_000,
  /** More requests than this at a time wait for a connection. */
  connectionsMax: 64,
  /** The text of an error is cut about here. */
  failureBytesMax: 64 * 1024,
  /** Idle connections are closed before the server does it (3 s in old versions, 10 s today). */
  idleMs: 2500,
} as const;

export class Connection {
  private readonly options: ConnectionOptions;
  private current: { readonly url: string; readonly client: ClickHouseClient } | null;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.current = null;
  }

  /** The client for the store's present address. Do not keep it. */
  client(): ClickHouseClient {
    const url = this.options.url();
    if (this.current?.url === url) return this.current.client;
    void this.current?.client.close();
    this.current = { url, client: connect(url, this.options, this.options.database) };
    return this.current.client;
  }

  /**
   * Runs one statement and hands over the body of the answer. Throws ClickHouseError with the whole
   * text of ClickHouse's error: the client's own reading of it takes any word in brackets and
   * capitals for the error's name.
   */
  async exec(params: ExecParams & { readonly values?: Readable }): Promise<ExecResult<Readable>> {
    const answer = await this.client().exec({ ...params, ignore_error_response: true });
    const failed = (answer.http_status_code ?? 0) >= 300
      || answer.response_headers['x-clickhouse-exception-code'] !== undefined;
    if (!failed) return answer;
    throw parseFailure(await readText(answer.stream));
  }

  /** Runs one statement and reads its whole, small result: a line a row, values split by tabs. */
  async readLines(query: string, params: Omit<ExecParams, 'query'>): Promise<string[]> {
    const clickhouse_settings = {
      ...params.clickhouse_settings,
      default_format: 'TabSeparated' as const,
    };
    const { stream } = await this.exec({ ...params, query, clickhouse_settings });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
  }

  /** Runs one statement in the server's default database. */
  async runOutside(statement: string): Promise<void> {
    const client = connect(this.options.url(), this.options, undefined);
    try {
      await client.command({ query: statement });
    } finally {
      await client.close();
    }
  }

  async close(): Promise<void> {
    await this.current?.client.close();
    this.current = null;
  }
}

const FAILURE = /^Code: (\d+)\. (?:DB::Exception: )?(.*)$/s;
const FAILURE_NAME = /\(([A-Z][A-Z0-9_]*)\)(?: \(version .*\))?\s*$/s;

/** An error of the store; a plain error when the text is not ClickHouse's, but say a proxy's. */
function parseFailure(text: string): Error {
  const match = FAILURE.exec(text);
  if (match === null) return new Error(`unexpected answer: ${text.trim()}`);
  const [, code, rest] = match;
  const type = FAILURE_NAME.exec(rest!)?.[1] ?? 'UNKNOWN';
  const message = rest!.replace(FAILURE_NAME, '').trim();
  return new ClickHouseError({ code: code!, type, message });
}

async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > limits.failureBytesMax) break;
  }
  return Buffer.concat(chunks).toString();
}

function connect(
  url: string,
  { username, password }: ConnectionOptions,
  database: string | undefined,
): ClickHouseClient {
  return createClient({
    url,
    username,
    password,
    ...(database === undefined ? {} : { database }),
    application: 'binnacle',
    request_timeout: limits.silenceMs,
    max_open_connections: limits.connectionsMax,
    // Queries of others give way to what has a smaller number (reader.ts).
    clickhouse_settings: { priority: '1' },
    keep_alive: { enabled: true, idle_socket_ttl: limits.idleMs },
    // What went wrong is told to the caller, who decides whether it is worth a line in the log.
    log: { level: ClickHouseLogLevel.OFF },
  });
}
