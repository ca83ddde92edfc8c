// The one command. Each subcommand reads its flags and calls one room, which is loaded only then:
// an agent never carries the backend.

import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import { Command, InvalidArgumentError } from 'commander';
import type { EngineProcessOptions } from './backend/storage/engine/main.ts';
import packageFile from './package.json' with { type: 'json' };
import { createChild, LAUNCHER, type Child } from './runtime/child.ts';
import { createClock } from './runtime/clock.ts';
import { EXIT, OperatorError } from './runtime/errors.ts';
import { allowGrowth, keepHeapSmall } from './runtime/heap.ts';
import { reportFailure, runProcess, type Running } from './runtime/lifecycle.ts';
import { createLog } from './runtime/log.ts';

const HERE = import.meta.dirname;
const VERSION = packageFile.version;
const AGENT_CONFIG = `${HERE}/config/agent.yaml`;
const BACKEND_CONFIG = `${HERE}/config/backend.yaml`;
const ENGINE_MEMORY_BYTES = 2 * 1024 * 1024 * 1024;
const BACKEND_URL = 'http://localhost:8080';
const TOKEN = process.env.BINNACLE_TOKEN;

/** An orderly stop may take so long; after that a process is killed. */
const AGENT_STOP_MS = 10_000;
const BACKEND_STOP_MS = 20_000;
const UP_STOP_MS = AGENT_STOP_MS + BACKEND_STOP_MS;

/** `up` says in a few lines what goes well, so its processes only say what does not. */
const QUIET = { BINNACLE_LOG_LEVEL: 'warn', BINNACLE_SERVICE_TELEMETRY_LOGS_LEVEL: 'warn' };

const collect = (value: string, earlier: string[]): string[] => [...earlier, value];

const program = new Command('binnacle')
  .description('Collects logs, spans and host metrics, keeps them in ClickHouse, answers in SQL.')
  .version(VERSION, '-v, --version')
  .showHelpAfterError('(binnacle --help lists the commands)')
  .configureOutput({ outputError: (line, write) => write(line.replace(/^error: /, 'binnacle: ')) })
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  });

program.command('up')
  .description('run engine, backend and agent on this host (npm start)')
  .option('--agent-config <file>', 'configuration of the agent', AGENT_CONFIG)
  .option('--backend-config <file>', 'configuration of the backend', BACKEND_CONFIG)
  .option('--data-dir <folder>', 'where everything is kept (BINNACLE_DATA_DIR, ./data)')
  .action((flags: UpFlags) => runProcess((abort) => up(flags, abort), UP_STOP_MS));

program.command('agent')
  .description('run the agent: collect on this host and ship OTLP to a backend')
  .option('-c, --config <file>', 'configuration; several are merged left to right', collect, [])
  .action(async ({ config }: { config: string[] }) => {
    keepHeapSmall();
    const { startAgent } = await import('./agent/main.ts');
    const files = config.length === 0 ? [AGENT_CONFIG] : config;
    await runProcess(() => startAgent({ files, env: process.env, version: VERSION }),
      AGENT_STOP_MS);
  });

program.command('backend')
  .description('run the backend: take OTLP in, store it in ClickHouse, answer SQL')
  .option('-c, --config <file>', 'configuration; several are merged left to right', collect, [])
  .action(async ({ config }: { config: string[] }) => {
    allowGrowth();
    const { startBackend } = await import('./backend/main.ts');
    const files = config.length === 0 ? [BACKEND_CONFIG] : config;
    await runProcess((abort) => startBackend({ files, env: process.env, version: VERSION, abort }),
      BACKEND_STOP_MS);
  });

program.command('engine')
  .description('run the embedded ClickHouse engine alone; a backend without a URL starts it itself')
  .requiredOption('--path <folder>', 'where its data is kept')
  .option('--host <address>', 'where it listens', '127.0.0.1')
  .option('--port <number>', '0 takes any that is free', wholeNumber, 0)
  .option('--memory-bytes <number>', 'what it may take', wholeNumber, ENGINE_MEMORY_BYTES)
  .action(async (options: EngineProcessOptions) => {
    const { runEngine } = await import('./backend/storage/engine/main.ts');
    await runEngine(options);
  });

program.command('query')
  .description('run one SQL statement and print the result')
  .argument('[sql]', 'the statement; read from standard input when absent or -')
  .option('-f, --format <name>', 'a ClickHouse format: PrettyCompact, JSON, CSV, …')
  .option('-p, --param <name=value>', 'value for {name:Type} in the statement', params, {})
  .option('-u, --url <url>', 'the backend (BINNACLE_URL)', process.env.BINNACLE_URL ?? BACKEND_URL)
  .addHelpText('after', '\nExamples:\n'
    + '  binnacle query "SELECT ServiceName, count() FROM otel_traces GROUP BY 1"\n'
    + '  binnacle query -f CSV -p s=shop "SELECT * FROM otel_logs WHERE ServiceName={s:String}"')
  .action(query);

program.command('status')
  .description('say how the backend is, what agents sent, and whether anything of it is lost')
  .option('--from <time>', 'begin of the period, like 2026-01-02T03:04:05Z (24 hours before --to)')
  .option('--to <time>', 'end of the period (now)')
  .option('--json', 'print it as JSON', false)
  .option('-u, --url <url>', 'the backend (BINNACLE_URL)', process.env.BINNACLE_URL ?? BACKEND_URL)
  .addHelpText('after', '\nExit code: 0 nothing is lost, 1 something is, 2 it cannot be told.')
  .action(status);

program.command('token')
  .description('make tokens with which people and programs ask a backend')
  .command('create')
  .description('make a token, print it this once, and what to write into the configuration')
  .requiredOption('--name <name>', 'whose it is, such as grafana')
  .requiredOption('--role <role>', 'writer, viewer, analyst, operator or admin')
  .option('--expires <time>', 'until when it counts, such as 2027-01-31 (for ever)')
  .action(createTokenFor);

program.command('validate')
  .description('check a configuration and say what is wrong with it, and where')
  .option('-c, --config <file>', 'configuration; several are merged left to right', collect, [])
  .option('--backend', 'it is the configuration of a backend, not of an agent', false)
  .action(validate);

program.command('json-schema')
  .description('print the JSON Schema of a configuration, for editors')
  .argument('<role>', 'agent or backend', role)
  .action(async (which: 'agent' | 'backend') => {
    const { agentJsonSchema, backendJsonSchema } = await import('./config/json_schema.ts');
    const { factories } = await import('./agent/components.ts');
    const schema = which === 'agent' ? agentJsonSchema(factories) : backendJsonSchema();
    process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}

interface UpFlags {
  readonly agentConfig: string;
  readonly backendConfig: string;
  readonly dataDir?: string;
}

/** Backend first, since the agent sends to it; the agent stops first, so that it can still send. */
async function up(flags: UpFlags, abort: AbortSignal): Promise<Running> {
  const clock = createClock();
  const write = (line: string) => void process.stderr.write(line);
  const log = createLog({ level: 'info', format: process.stderr.isTTY ? 'text' : 'json', write });
  const dataDir = flags.dataDir ?? process.env.BINNACLE_DATA_DIR ?? './data';
  const env = { ...QUIET, ...process.env, BINNACLE_DATA_DIR: dataDir };
  const child = (name: string, file: string) =>
    createChild({ name, args: [LAUNCHER, name, '--config', file], env, clock, log });
  const backend = child('backend', flags.backendConfig);
  const agent = child('agent', flags.agentConfig);
  const stop = async (deadline: AbortSignal) => {
    await agent.stop(deadline);
    await backend.stop(deadline);
  };
  abort.addEventListener('abort', () => void stop(AbortSignal.timeout(UP_STOP_MS)));
  try {
    const addresses = { ...(await backend.start()), ...(await startUnless(abort, agent)) };
    printStart(addresses, dataDir);
    const failed = Promise.race([backend.failed, agent.failed]);
    return { failed, addresses, stop };
  } catch (error) {
    await stop(AbortSignal.timeout(UP_STOP_MS));
    throw error;
  }
}

function startUnless(abort: AbortSignal, child: Child): Promise<Readonly<Record<string, string>>> {
  if (abort.aborted) throw new OperatorError('stopped before everything was started', '');
  return child.start();
}

function printStart(addresses: Readonly<Record<string, string>>, dataDir: string): void {
  const rows = Object.entries({ ...addresses, Data: dataDir });
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  const example = 'SELECT MetricName, count() FROM otel_metrics_sum GROUP BY 1';
  process.stdout.write(`binnacle ${VERSION} is running; Ctrl-C stops it\n${lines.join('\n')}\n`
    + `\n  Ask: npx binnacle query "${example}"\n`);
}

interface QueryFlags {
  readonly format?: string;
  readonly param: Readonly<Record<string, string>>;
  readonly url: string;
}

async function query(statement: string | undefined, flags: QueryFlags): Promise<void> {
  const { AskError, askBackend } = await import('./backend/api/client.ts');
  const sql = statement === undefined || statement === '-' ? await text(process.stdin) : statement;
  if (sql.trim() === '') {
    throw new OperatorError('there is no statement', 'binnacle query "SELECT 1"');
  }
  const format = flags.format ?? 'PrettyCompactMonoBlock';
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  try {
    const result = await askBackend({ url: flags.url, sql, format, params: flags.param,
      token: TOKEN, abort: abort.signal });
    await pipeline(result, process.stdout, { end: false });
  } catch (error) {
    if (abort.signal.aborted) process.exitCode = EXIT.failed;
    else if (error instanceof AskError) {
      const hint = error.hint === '' ? '' : `\n  ${error.hint}`;
      process.stderr.write(`binnacle: ${error.code}: ${error.message}${hint}\n`);
      process.exitCode = EXIT.failed;
    } else if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

interface StatusFlags {
  readonly from?: string;
  readonly to?: string;
  readonly json: boolean;
  readonly url: string;
}

async function status({ from, to, json, url }: StatusFlags): Promise<void> {
  const { AskError, askStatus } = await import('./backend/api/client.ts');
  const { isLossless, statusPage } = await import('./backend/api/status.ts');
  try {
    const found = await askStatus(url, { from, to }, TOKEN);
    process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : statusPage(found));
    process.exitCode = isLossless(found.ledger) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  }
}

async function createTokenFor(asked: { name: string; role: string; expires?: string }) {
  const { newToken } = await import('./backend/access/token.ts');
  process.stdout.write(newToken(asked));
}

async function validate({ config, backend }: { config: string[]; backend: boolean }) {
  const env = process.env;
  if (backend) {
    const { readBackendConfig } = await import('./backend/main.ts');
    await readBackendConfig({ files: config.length === 0 ? [BACKEND_CONFIG] : config, env });
  } else {
    const { readAgentConfig } = await import('./agent/main.ts');
    await readAgentConfig({ files: config.length === 0 ? [AGENT_CONFIG] : config, env });
  }
  process.stdout.write('the configuration is valid\n');
}

function wholeNumber(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('write a whole number.');
}

function params(value: string, earlier: Record<string, string>): Record<string, string> {
  const at = value.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write it as name=value.');
  return { ...earlier, [value.slice(0, at)]: value.slice(at + 1) };
}

function role(value: string): string {
  if (value === 'agent' || value === 'backend') return value;
  throw new InvalidArgumentError('there are agent and backend.');
}
