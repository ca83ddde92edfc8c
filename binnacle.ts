// The one command. Each subcommand reads its flags and calls one room, which is loaded only then:
// an agent never carries the backend.

import { Command, InvalidArgumentError, Option } from 'commander';
import type { TrialFlags } from './agent/trial/command.ts';
import type { TapFlags } from './agent/watching/tap.ts';
import type { TopFlags } from './agent/watching/top.ts';
import type { ExportFlags } from './backend/client/export.ts';
import type { QueryFlags } from './backend/client/query.ts';
import type { SchemaFlags } from './backend/client/schema.ts';
import type { StatusFlags } from './backend/client/status.ts';
import type { TailFlags } from './backend/client/tail.ts';
import type { EngineProcessOptions } from './backend/storage/engine/main.ts';
import { addAlertCommands } from './binnacle_alerts.ts';
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

const agentCommand = program.command('agent')
  .description('run the agent: collect on this host and ship OTLP to a backend')
  .option('-c, --config <file>', 'configuration; several are merged left to right', collect, [])
  .action(async ({ config }: { config: string[] }) => {
    keepHeapSmall();
    const { startAgent } = await import('./agent/main.ts');
    const files = config.length === 0 ? [AGENT_CONFIG] : config;
    await runProcess(() => startAgent({ files, env: process.env, version: VERSION }),
      AGENT_STOP_MS, { reloads: true });
  });

agentCommand.command('test')
  .description('run pipelines over records of a file and compare what would be exported')
  .option('-c, --config <file>', 'configuration; several are merged left to right', collect, [])
  .requiredOption('-i, --input <file>', 'OTLP requests as JSON, one in each line')
  .option('-e, --expect <file>', 'what should come out; without it that is printed')
  .option('--update', 'write what came out to the expected file', false)
  .option('--for <time>', 'virtual time that passes after the last line', '1m')
  .action(async (flags: TrialFlags) => {
    const { trial } = await import('./agent/trial/command.ts');
    const own = agentCommand.opts<{ config: string[] }>().config;
    await trial({ ...flags, config: [...own, ...flags.config] });
  });

watch('tap')
  .description('show what passes a place of a running agent, as it passes')
  .argument('[place]', 'a pipeline, a component, exporter:otlp, processor:batch@logs (receivers)')
  .option('-f, --filter <text>', 'only records with this text in them', '')
  .option('-r, --rate <number>', 'records in a second; others are left out', wholeNumber, 10)
  .option('--json', 'a line of JSON for each', false)
  .action(async (place: string | undefined, flags: TapFlags) => {
    const { tap } = await import('./agent/watching/tap.ts');
    await tap(place ?? '', flags);
  });

watch('top')
  .description('show what a running agent does: rates, queues, what is refused, memory, CPU')
  .option('--once', 'show it once, with the rates of one interval', false)
  .option('--interval <seconds>', 'time between two looks', wholeNumber, 2)
  .action(async (flags: TopFlags) => {
    const { top } = await import('./agent/watching/top.ts');
    await top(flags);
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

ask('query')
  .description('run SQL: one statement, a file of them, or what is typed at a prompt')
  .argument('[sql]', 'statements, parted by ; (- is standard input; none: that, or a prompt)')
  .option('-f, --format <name>', 'table, vertical, json, ndjson, csv, tsv, parquet, or any format '
    + 'of ClickHouse (table at a terminal, else TabSeparated, or what FILE ends with)')
  .option('--file <file>', 'read the statements from a file')
  .option('-p, --param <name=value>', 'value for {name:Type} in the statement', params, {})
  .option('-o, --output <file>', 'write the result to a file, which appears when it is complete')
  .option('--watch <interval>', 'ask again and again, such as every 2s')
  .option('--time', 'say how many rows it were and how long it took')
  .addHelpText('after', `
Examples:
  binnacle query                                       (a prompt; \\? says what it knows)
  binnacle query "SELECT ServiceName, count() FROM otel_traces GROUP BY 1"
  binnacle query -p s=shop "SELECT Body FROM otel_logs WHERE ServiceName = {s:String}"
  binnacle query --watch 2s "SELECT count() FROM otel_logs"
  binnacle query --file report.sql -f csv -o report.csv
  echo "SELECT 1" | binnacle query
docs/cli.md says more.`)
  .action(async (sql: string | undefined, flags: QueryFlags) => {
    const { query } = await import('./backend/client/query.ts');
    await query(sql, flags);
  });

ask('schema')
  .description('list the tables, or the columns and attributes of one')
  .argument('[table]', 'such as otel_logs')
  .option('--json', 'print it as JSON', false)
  .addHelpText('after', '\nExamples:\n  binnacle schema\n  binnacle schema otel_logs')
  .action(async (table: string | undefined, flags: SchemaFlags) => {
    const { schema } = await import('./backend/client/schema.ts');
    await schema(table, flags);
  });

ask('export')
  .description('write the rows of a table, or of a statement, into files; goes on after a break')
  .argument('[table]', 'such as otel_logs')
  .option('--sql <select>', 'a statement with {from:DateTime64(9)} and {to:DateTime64(9)} in it')
  .option('--time-column <name>', 'the column that says when, where that is not plain')
  .requiredOption('--from <time>', 'begin: 2026-01-02, 2026-01-02T03:04:05Z, now-1d')
  .option('--to <time>', 'end, which is not inside', 'now')
  .option('--every <duration>', 'a file for each 30s, 5m, 1h, 1d, 1w', '1h')
  .option('--format <name>', 'parquet, csv or ndjson', 'parquet')
  .requiredOption('--out <folder>', 'where the files go, with a manifest.json')
  .addHelpText('after', `
Run the same command again after a break: files that are complete are not asked for again.

Examples:
  binnacle export otel_logs --from now-1d --out logs
  binnacle export otel_traces --from 2026-01-02 --to 2026-01-03 --format csv --out traces
  binnacle export --from now-7d --every 1d --out errors --time-column Timestamp \\
    --sql "SELECT Timestamp, Body FROM otel_logs WHERE SeverityNumber >= 17"`)
  .action(async (table: string | undefined, flags: ExportFlags) => {
    const { exportRows } = await import('./backend/client/export.ts');
    await exportRows(table, flags);
  });

ask('tail')
  .description('print log records, or spans, as the backend accepts them')
  .argument('[search]', 'which ones, such as: service:shop level>=error "card refused"')
  .option('-s, --signal <name>', 'logs or traces', 'logs')
  .option('--json', 'print each as JSON, a line each', false)
  .addHelpText('after', `
Examples:
  binnacle tail
  binnacle tail 'service:checkout level>=error -"health check"'
  binnacle tail --signal traces 'duration:>250ms' --json
docs/search.md has the language.`)
  .action(async (search: string | undefined, flags: TailFlags) => {
    const { tail } = await import('./backend/client/tail.ts');
    await tail(search ?? '', flags);
  });

ask('status')
  .description('say how the backend is, what agents sent, and whether anything of it is lost')
  .option('--from <time>', 'begin of the period, like 2026-01-02T03:04:05Z (24 hours before --to)')
  .option('--to <time>', 'end of the period (now)')
  .option('--json', 'print it as JSON', false)
  .addHelpText('after', '\nExit code: 0 nothing is lost, 1 something is, 2 it cannot be told.')
  .action(async (flags: StatusFlags) => {
    const { status } = await import('./backend/client/status.ts');
    await status(flags);
  });

addAlertCommands(program, ask);

program.command('token')
  .description('make tokens with which people and programs ask a backend')
  .command('create')
  .description('make a token, print it this once, and what to write into the configuration')
  .requiredOption('--name <name>', 'whose it is, such as grafana')
  .requiredOption('--role <role>', 'writer, viewer, analyst, operator or admin')
  .option('--expires <time>', 'until when it counts, such as 2027-01-31 (for ever)')
  .action(createTokenFor);

program.command('htpasswd')
  .description('print a line for basic_auth: a user, and a hash of the password that is read')
  .argument('<user>', 'who may send')
  .action(async (user: string) => {
    const { hashPassword } = await import('./agent/extensions/basic_auth/password.ts');
    await hashPassword(user);
  });

program.command('validate')
  .description('check a configuration and say what is wrong with it, and where')
  .option('-c, --config <file>', 'configuration; several are merged left to right', collect, [])
  .option('--backend', 'it is the configuration of a backend, not of an agent', false)
  .action(validate);

program.command('json-schema')
  .description('print the JSON Schema of a configuration, for editors')
  .argument('<role>', 'agent or backend', role)
  .option('-c, --config <file>', 'configuration of an agent, for the plugins that it names',
    collect, [])
  .action(async (which: 'agent' | 'backend', { config }: { config: string[] }) => {
    const { agentJsonSchema, backendJsonSchema } = await import('./config/json_schema.ts');
    const { readComponents } = await import('./agent/main.ts');
    const schema = which === 'backend' ? backendJsonSchema()
      : agentJsonSchema(await readComponents({ files: config, env: process.env }));
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
    + `\n  Ask:    npx binnacle query "${example}"\n  Alerts: npx binnacle alerts\n`);
}

/** A command that asks a running agent. */
function watch(name: string): Command {
  return agentCommand.command(name)
    .option('-u, --url <url>', 'its extension zpages', 'http://localhost:55679');
}

/** A command that asks a running backend. */
function ask(name: string, parent = program): Command {
  return parent.command(name)
    .addOption(new Option('-u, --url <url>', 'the backend')
      .env('BINNACLE_URL').default(BACKEND_URL))
    .addOption(new Option('--token <token>', 'who asks, where the backend wants to know')
      .env('BINNACLE_TOKEN'));
}

async function createTokenFor(asked: { name: string; role: string; expires?: string }) {
  const { newToken } = await import('./backend/access/token.ts');
  process.stdout.write(newToken(asked));
}

async function validate({ config, backend }: { config: string[]; backend: boolean }) {
  const env = process.env;
  if (backend) {
    const { validateBackend } = await import('./backend/validate.ts');
    await validateBackend({ files: config.length === 0 ? [BACKEND_CONFIG] : config, env });
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
