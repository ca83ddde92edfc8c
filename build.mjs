// Bundles the command into dist/, which is what runs: a process starts several times faster from a
// few files than from hundreds of TypeScript ones, and needs no compiler in its memory.
//
//     dist/binnacle.mjs         the command; each subcommand's part is a file of its own
//     dist/agent.mjs            the agent alone in one file that needs nothing but Node.js
//     dist/inputs.json          what the bundle was made of
//
// `npm ci` and `npm run build` run this file. The launcher asks `isFresh` first, so that nobody
// ever runs a bundle older than the sources beside it.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync }
  from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(fileURLToPath(import.meta.url));
const DIST = join(ROOT, 'dist');
const INPUTS = join(DIST, 'inputs.json');

/** Loaded from node_modules: they bring files or native code of their own. */
const EXTERNAL = ['chdb', 'fastify', '@fastify/*'];

/** CommonJS packages inside an ES module ask for this. */
const BANNER = "import { createRequire as requireOf } from 'node:module';"
  + 'const require = requireOf(import.meta.url);';

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();

/** Whether dist/ is there and newer than its sources. It takes a few milliseconds. */
export function isFresh() {
  if (!existsSync(INPUTS)) return false;
  const madeMs = statSync(INPUTS).mtimeMs;
  const inputs = JSON.parse(readFileSync(INPUTS, 'utf8'));
  return [...inputs, 'build.mjs', 'package-lock.json'].every((path) => {
    const stat = statSync(join(ROOT, path), { throwIfNoEntry: false });
    return stat !== undefined && stat.mtimeMs <= madeMs;
  });
}

/** Two builds at the same time do not meet: each puts a whole folder in place. */
export async function build() {
  const esbuild = await import('esbuild');
  const folder = join(ROOT, `.dist-${process.pid}`);
  const common = {
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Names stay, so that a stack trace can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    banner: { js: BANNER },
    logLevel: 'warning',
    metafile: true,
  };
  const out = { outdir: folder, outExtension: { '.js': '.mjs' } };
  const command = await esbuild.build({
    ...common,
    ...out,
    entryPoints: { binnacle: 'binnacle.ts' },
    splitting: true,
    external: EXTERNAL,
    plugins: [{ name: 'places', setup: places }, { name: 'unused', setup: unused }],
  });
  await esbuild.build({
    ...common,
    ...out,
    entryPoints: { agent: 'binnacle.ts' },
    plugins: [{ name: 'agent alone', setup: agentAlone }, { name: 'unused', setup: unused }],
  });
  const sources = Object.keys(command.metafile.inputs)
    .filter((path) => !path.includes('node_modules/') && !path.startsWith('unused:'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'inputs.json'), JSON.stringify(sources));
  rmSync(DIST, { recursive: true, force: true });
  renameSync(folder, DIST);
}

/** Where a source finds the files beside it: as if it still lay in its folder. */
function places({ onLoad }) {
  onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const source = readFileSync(path, 'utf8');
    if (path.includes('node_modules') || !source.includes('import.meta.')) return undefined;
    const place = JSON.stringify(`../${relative(ROOT, path)}`);
    const url = `new URL(${place}, import.meta.url)`;
    const contents = source
      .replaceAll('import.meta.url', `${url}.href`)
      .replaceAll('import.meta.dirname', `decodeURI(new URL('.', ${url}).pathname.slice(0, -1))`);
    return { contents, loader: 'ts' };
  });
}

/** What grpc-js needs only for services that nobody asks it for, with all of protobufjs. */
function unused({ onResolve, onLoad }) {
  onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ path }) => ({ path, namespace: 'unused' }));
  onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {};' }));
}

/** Instead of the backend, a module that says where to get it. */
function agentAlone({ onResolve, onLoad }) {
  onResolve({ filter: /^\.\/backend\// }, () => ({ path: 'backend', namespace: 'absent' }));
  onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
    resolveDir: ROOT,
    contents: `import { OperatorError } from './runtime/errors.ts';
      throw new OperatorError('this file is the agent alone',
        'install the whole of Binnacle for its other commands');`,
  }));
}
