// `GET /api/schema`: the tables that SQL may read, their columns, and the keys of attributes with
// their most frequent values, for completion. Keys and values are of a sample of the newest day;
// they are read again after a while only, however many ask.

import type { FastifyInstance } from 'fastify';
import type { World } from '../../runtime/world.ts';
import type { Caller } from '../access/roles.ts';
import { PUBLISHED_TABLES } from '../query/admission.ts';
import type { Desk } from '../query/desk.ts';
import { callerOf } from './caller.ts';
import { answers, problems } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Rows of a table that are looked at for keys. */
  sampleRows: 20_000,
  /** Keys of a column, and values of a key; rarer ones are left out. */
  keysMax: 200,
  valuesMax: 10,
  /** Characters of a value; longer ones are left out. */
  valueCharactersMax: 200,
} as const;

const KEPT_MS = 60_000;

export interface SchemaRouteOptions {
  readonly desk: Desk;
  readonly world: World;
}

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly comment: string;
}

interface Attribute {
  readonly column: string;
  readonly key: string;
  readonly rows: number;
  readonly values: readonly string[];
}

interface Found {
  readonly tables: ReadonlyArray<{
    readonly name: string;
    readonly columns: ReadonlyArray<Omit<Column, 'table'>>;
    readonly attributes: readonly Attribute[];
  }>;
}

export function registerSchema(app: FastifyInstance, { desk, world }: SchemaRouteOptions): void {
  const { clock } = world;
  let known: Promise<Found> | null = null;
  let knownMs = 0;
  // Whoever asks next needs it, too: it is read to its end though its first asker may have gone.
  const read = (caller: Caller): Promise<Found> => {
    if (known !== null && clock.monotonicMs() - knownMs < KEPT_MS) return known;
    knownMs = clock.monotonicMs();
    const reading = readSchema(desk, caller);
    known = reading;
    reading.catch(() => {
      if (known === reading) known = null;
    });
    return reading;
  };
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/schema', { schema: DOCS }, async (request, reply) =>
    reply.header('cache-control', 'private, max-age=60').send(await read(callerOf(request))));
}

async function readSchema(desk: Desk, caller: Caller): Promise<Found> {
  const abort = AbortSignal.timeout(READ_MS);
  const names = [...PUBLISHED_TABLES];
  const columns = await desk.rows<Column>({ sql: COLUMNS_SQL, params: { names } }, caller, abort);
  const tables = [];
  for (const name of names) {
    const own = columns.filter(({ table }) => table === name);
    const maps = own.filter(({ type }) => MAP.test(type)).map((column) => column.name);
    const attributes = maps.length === 0 ? []
      : await desk.rows<Attribute>({ sql: keysSql(name, maps), params: { name } }, caller, abort);
    tables.push({ name, columns: own.map(({ table: _, ...column }) => column), attributes });
  }
  return { tables: tables.filter(({ columns: some }) => some.length > 0) };
}

const READ_MS = 60_000;
const MAP = /^Map\((?:LowCardinality\()?String\)?, ?(?:LowCardinality\()?String\)?\)$/;

const COLUMNS_SQL = `SELECT table, name, type, comment FROM system.columns
  WHERE database = currentDatabase() AND has({names:Array(String)}, table)
  ORDER BY table, position`;

/** Names are those of our own tables. */
const keysSql = (table: string, maps: readonly string[]): string => `
  SELECT column, key, count() AS rows,
    arrayFilter(value -> lengthUTF8(value) <= ${limits.valueCharactersMax},
      topK(${limits.valuesMax})(text)) AS values
  FROM (
    SELECT arrayJoin(arrayConcat(${maps.map(triplesOf).join(', ')})) AS triple,
      triple.1 AS column, triple.2 AS key, triple.3 AS text
    FROM (
      SELECT ${maps.join(', ')} FROM ${table}
      WHERE _partition_id = (SELECT max(partition_id) FROM system.parts
        WHERE database = currentDatabase() AND table = {name:String} AND active AND rows > 0)
      LIMIT ${limits.sampleRows}
    )
  )
  GROUP BY column, key ORDER BY rows DESC, column, key LIMIT ${limits.keysMax} BY column`;

const triplesOf = (map: string): string =>
  `arrayMap((key, value) -> ('${map}', toString(key), toString(value)), mapKeys(${map}), `
  + `mapValues(${map}))`;

const DOCS = {
  operationId: 'schema',
  summary: 'Tables, columns, keys of attributes and their most frequent values',
  description: 'Keys and values are of a sample of the newest day, at most a minute old.',
  tags: ['query'],
  response: {
    200: answers('What SQL may read.', {
      type: 'object', required: ['tables'], additionalProperties: true,
    }),
    503: problems('The store is away.'),
  },
};
