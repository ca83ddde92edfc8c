// Runs the tests: `npm test`, or `npm test -- agent/receivers proto` for those whose path contains
// one of the words. Each file is a process of its own (node:test). After the run nothing may be
// left: no process that a test started, no file in the temporary folder.
//
// The files are bundled before: a process that reads a few files starts in a third of the time of
// one that compiles hundreds of them. To see the lines of the sources in a failure, run the file
// alone: `npx tsx --test test/….test.ts`.
//
// `--coverage` measures the rooms with c8, prints a line for each and fails below the goal. It runs
// the sources as they are.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync }
  from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run as runTests } from 'node:test';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { build, stop, type PluginBuild } from 'esbuild';

const ROOT = new URL('..', import.meta.url).pathname;
const ROOMS = ['agent', 'backend', 'proto', 'config', 'runtime'];
const COVERAGE_PERCENT_MIN = 85;
const RAW_COVERAGE = join(ROOT, 'coverage/tmp');
/** Caches that tools of ours keep in the temporary folder. */
const CACHES = /^(?:tsx-\d+|node-compile-cache|v8-compile-cache.*)$/;
const SHARED_MEMORY = '/dev/shm';
const TIMEOUT_MS = 240_000;
/** Twice what a small machine has cores: tests of processes wait a quarter of the time. */
const CONCURRENCY = 4;
/** Files that take longest, in their order. */
const SLOWEST = [
  'agent/receivers/file_log/crash', 'sim/sim', 'backend/storage/clickhouse/retry',
  'backend/latency/latency', 'e2e/ledger_status', 'backend/storage/clickhouse/writer',
  'agent/queue/known_losses', 'e2e/logrotate', 'e2e/queue', 'e2e/exactly_once',
  'backend/storage/clickhouse/parts', 'agent/receivers/file_log/killed', 'e2e/engine_kill',
];

/** Folders of this run. */
const made: string[] = [];

const args = process.argv.slice(2);
const coverage = args.includes('--coverage');
const words = args.filter((arg) => !arg.startsWith('--'));

const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => join('test', path))
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  .sort();
if (files.length === 0) fail(`no test file's path contains ${words.join(' or ')}`);

spawnSync(process.execPath, ['build.mjs'], { cwd: ROOT, stdio: 'inherit' });

const folder = mkdtempSync(join(tmpdir(), 'binnacle-test-'));
/** Inside the project, where packages are found. */
const bundles = mkdtempSync(join(ROOT, '.test-'));
made.push(folder, bundles);
const mark = `BINNACLE_TEST_RUN=${folder}`;
const memoryBefore = new Set(listed(SHARED_MEMORY));
const started = performance.now();
const code = await run();
console.log(`${files.length} test files in ${((performance.now() - started) / 1000).toFixed(1)} s`);

const left = [...leftProcesses(), ...leftFiles()];
for (const one of made) rmSync(one, { recursive: true, force: true });
if (left.length > 0) fail(`the tests left behind:\n  ${left.join('\n  ')}`);
if (coverage && code === 0) reportCoverage();
process.exit(code);

/** Each file in a process with the options of this one. */
async function run(): Promise<number> {
  if (coverage) rmSync(RAW_COVERAGE, { recursive: true, force: true });
  Object.assign(process.env, {
    TMPDIR: folder,
    BINNACLE_TEST_RUN: folder,
    ...(coverage ? { NODE_V8_COVERAGE: RAW_COVERAGE, NODE_OPTIONS: '--import tsx' } : {}),
  });
  process.chdir(ROOT);
  const paths = coverage ? inOrder(files).map((path) => join(ROOT, path))
    : await bundled(inOrder(files));
  const tests = runTests({ files: paths, concurrency: CONCURRENCY, timeout: TIMEOUT_MS });
  let code = 0;
  tests.on('test:fail', () => {
    code = 1;
  });
  const report = tests.compose(new spec());
  report.pipe(process.stdout, { end: false });
  return new Promise((resolve) => report.on('end', () => resolve(code)));
}

/** What runs instead of the files, in their order. */
async function bundled(paths: readonly string[]): Promise<string[]> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [...paths],
    outdir: bundles,
    outbase: ROOT,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    plugins: [{ name: 'places', setup: places }],
  });
  await stop();
  // What read TypeScript here is not needed there.
  process.execArgv.splice(0);
  return paths.map((path) => join(bundles, path.replace(/\.ts$/, '.mjs')));
}

/** A module still finds what lies beside its source. */
function places({ onLoad }: PluginBuild): void {
  onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const source = read(path);
    if (path.includes('node_modules') || !source.includes('import.meta.')) return undefined;
    return { loader: 'ts', contents: source
      .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
      .replaceAll('import.meta.dirname', JSON.stringify(dirname(path))) };
  });
}

/** The slow ones first: else one of them would run alone in the end. */
function inOrder(paths: readonly string[]): string[] {
  const placeOf = (path: string) => {
    const place = SLOWEST.findIndex((name) => path === `test/${name}.test.ts`);
    return place === -1 ? SLOWEST.length : place;
  };
  return [...paths].sort((a, b) => placeOf(a) - placeOf(b));
}

function processes(): string[] {
  return listed('/proc').filter((name) => /^\d+$/.test(name));
}

/** Processes that inherited this run's mark and still live (where there is a /proc). */
function leftProcesses(): string[] {
  return processes().filter((id) => id !== String(process.pid) && read(`/proc/${id}/environ`)
    .split('\0').includes(mark))
    .map((id) => `process ${id}: ${read(`/proc/${id}/cmdline`).replaceAll('\0', ' ')}`);
}

/** What engines leave in shared memory can't be told from what one that still runs keeps there. */
function leftFiles(): string[] {
  const temporary = listed(folder).filter((name) => !CACHES.test(name));
  const others = processes().some((id) =>
    read(`/proc/${id}/cmdline`).includes('binnacle.mjs\0engine'));
  if (others) console.log(`an engine of somebody else runs; ${SHARED_MEMORY} is not looked at`);
  const memory = others ? [] : listed(SHARED_MEMORY)
    .filter((name) => name.includes('binnacle') && !memoryBefore.has(name));
  return [
    ...temporary.map((name) => relative(ROOT, join(folder, name))),
    ...memory.map((name) => join(SHARED_MEMORY, name)),
  ];
}

/**
 * Each process has written what it ran, with all packages it loaded. Only the rooms' own files are
 * kept before c8 merges them: it would take minutes over the rest, which it then leaves out.
 */
function keepRooms(): void {
  for (const name of readdirSync(RAW_COVERAGE)) {
    const path = join(RAW_COVERAGE, name);
    interface Raw { result: Array<{ url: string }>; 'source-map-cache'?: Record<string, unknown> }
    const raw = JSON.parse(read(path)) as Raw;
    const ours = (url: string) => ROOMS.some((room) => url.startsWith(`file://${ROOT}${room}/`));
    const maps = Object.entries(raw['source-map-cache'] ?? {}).filter(([url]) => ours(url));
    const result = raw.result.filter(({ url }) => ours(url));
    if (result.length === 0) rmSync(path);
    else writeFileSync(path, JSON.stringify({ result, 'source-map-cache':
      Object.fromEntries(maps) }));
  }
}

function reportCoverage(): void {
  keepRooms();
  spawnSync(process.execPath, [
    'node_modules/c8/bin/c8.js', 'report', '--all', '--reporter=json-summary', '--reporter=text',
    '--reports-dir=coverage', `--temp-directory=${RAW_COVERAGE}`,
    ...ROOMS.map((room) => `--include=${room}/**/*.ts`), '--exclude=test/**',
  ], { cwd: ROOT, stdio: 'inherit' });
  interface Lines { lines: { total: number; covered: number } }
  const summary = JSON.parse(read(join(ROOT, 'coverage/coverage-summary.json'))) as
    Record<string, Lines>;
  let low = false;
  for (const room of ROOMS) {
    const parts = Object.entries(summary).filter(([path]) => path.startsWith(join(ROOT, room)));
    const total = parts.reduce((sum, [, { lines }]) => sum + lines.total, 0);
    const covered = parts.reduce((sum, [, { lines }]) => sum + lines.covered, 0);
    const percent = (100 * covered) / total;
    low ||= percent < COVERAGE_PERCENT_MIN;
    console.log(`coverage ${room}: ${percent.toFixed(1)} % of ${total} lines`);
  }
  if (low) fail(`a room has less than ${COVERAGE_PERCENT_MIN} % of its lines covered`);
}

function listed(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function fail(message: string): never {
  for (const one of made) rmSync(one, { recursive: true, force: true });
  console.error(`test/run.ts: ${message}`);
  process.exit(1);
}
