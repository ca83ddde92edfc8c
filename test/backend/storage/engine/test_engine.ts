/**
 * A real engine for one test file, the official client on it, and requests as curl sends them.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { Client as Http } from 'undici';
import { createEngine, type Engine } from '../../../../backend/storage/engine/supervisor.ts';

/** An answer, whole. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** What a test file holds from its `before` to its `after`. */
export class TestEngine {
  readonly folder: string;
  readonly engine: Engine;
  readonly client: ClickHouseClient;
  readonly #http: Http;

  /** Starts the engine in a folder of its own. */
  static async open(): Promise<TestEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'binnacle-server-'));
    const engine = createEngine({ path: folder, memoryBytes: 1024 * 1024 * 1024 });
    await engine.start();
    return new TestEngine(folder, engine);
  }

  constructor(folder: string, engine: Engine) {
    this.folder = folder;
    this.engine = engine;
    this.client = createClient({ url: engine.url, log: { level: ClickHouseLogLevel.OFF } });
    this.#http = new Http(engine.url);
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#http.close();
    await this.engine.stop(AbortSignal.timeout(10_000));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** One request: GET without a body, POST with one. */
  async ask(
    path: string,
    body: string | Buffer | null = null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const method = body === null ? 'GET' : 'POST';
    const answer = await this.#http.request({ path, method, body, headers });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    return { status: answer.statusCode, headers: answer.headers, body: bytes };
  }

  /** The body of an answer that must be a good one. */
  async text(path: string, body: string | Buffer | null = null): Promise<string> {
    const answer = await this.ask(path, body);
    assert.equal(answer.status, 200, answer.body.toString());
    return answer.body.toString();
  }

  /** Makes a table of its own for a test. */
  async table(columns: string, engineSql = 'MergeTree ORDER BY tuple()'): Promise<string> {
    const name = `t_${randomUUID().replaceAll('-', '')}`;
    await this.client.command({ query: `CREATE TABLE ${name} (${columns}) ENGINE = ${engineSql}` });
    return name;
  }

  async count(name: string): Promise<string> {
    return (await this.text(sql(`SELECT count() FROM ${name}`))).trim();
  }

  /** Running queries that carry an id. */
  async processes(id: string): Promise<number> {
    const where = `Settings['log_comment'] = '${id}'`;
    return Number(await this.text(sql(`SELECT count() FROM system.processes WHERE ${where}`)));
  }
}

/** The path of a query in the URL. */
export const sql = (query: string, more = ''): string =>
  `/?query=${encodeURIComponent(query)}${more}`;

/** Asks again and again, for about five seconds. */
export async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await done()) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail('waited too long');
}
