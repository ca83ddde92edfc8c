// Proves the layers: files from left to right, variables in values, BINNACLE_* on top; and that
// what cannot be read is told in one sentence. Texts are given in memory, but for the last tests.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadBackendConfig } from '../../config/backend.ts';
import { pathOf } from '../../config/environment.ts';
import { closestWord, ConfigError, describeProblems, formatPath } from '../../config/errors.ts';
import { layer } from '../../config/loader.ts';
import { loadAgentConfig } from '../../config/pipelines.ts';
import { substitute, typedValue } from '../../config/substitution.ts';
import type { ConfigTree } from '../../config/tree.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { createFiles } from '../../runtime/files.ts';
import { COMPONENTS } from './components.ts';

const disk = createFiles();

function layered(texts: string[], env: Record<string, string> = {}, keys: string[] = []) {
  const sources = texts.map((text, index) => ({ file: `${index}.yaml`, text }));
  const keysFor = (tree: ConfigTree) => (path: readonly (string | number)[]) =>
    [...tree.keysAt(path), ...(path.length === 0 ? keys : [])];
  return layer(sources, env, keysFor, (name) => name === 'BINNACLE_URL');
}

test('loader: maps merge, lists and scalars replace, nothing does not remove', () => {
  const { tree } = layered([
    'a: { b: 1, c: [1, 2] }\nd: x\ne: { f: 1 }',
    'a: { c: [3], g: 2 }\nd: y\ne:',
  ]);
  assert.deepEqual(tree.value, { a: { b: 1, c: [3], g: 2 }, d: 'y', e: { f: 1 } });
});

test('loader: every value knows where it was written', () => {
  const { tree } = layered(['a:\n  b: 1\n  c: [x, yy]', 'a:\n  d:   4\n'], { BINNACLE_A_B: '7' });
  const check = (path: (string | number)[], want: string, part: 'key' | 'value' = 'value') => {
    const { file, line, column } = tree.where(path, part)!;
    assert.equal(`${file}:${line}:${column}`, want);
  };
  check(['a', 'b'], 'BINNACLE_A_B:0:0');
  check(['a', 'c'], '0.yaml:3:3');
  check(['a', 'c', 1], '0.yaml:3:10');
  check(['a', 'd'], '1.yaml:2:8');
  check(['a', 'd'], '1.yaml:2:3', 'key');
  check(['a', 'missing', 'deep'], 'BINNACLE_A_B:0:0');
  check([], 'BINNACLE_A_B:0:0');
  assert.equal(layered([]).tree.where(['a']), null);
});

test('loader: a key __proto__ is only a key', () => {
  const { tree } = layered(['__proto__: { polluted: true }\nconstructor: 1']);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.deepEqual(Object.keys(tree.value as object), ['__proto__', 'constructor']);
});

test('loader: aliases that grow without end are refused', () => {
  const rows = Array.from({ length: 12 }, (_, index) =>
    `a${index + 1}: &a${index + 1} [${`*a${index},`.repeat(9)}]`);
  const { problems } = layered([`a0: &a0 [x]\n${rows.join('\n')}`]);
  assert.equal(problems[0]?.why, 'is too large or too deep');
  assert.ok(problems.length < 70, `${problems.length} problems`);
});

test('substitution: variables, defaults, escapes', () => {
  const env = { HOST: 'db', EMPTY: '', TRAP: '${HOST} $$', __proto__: { X: 'y' } as never };
  const check = (text: string, want: string | RegExp) => {
    const result = substitute(text, env);
    if (typeof want === 'string') assert.equal(result.ok ? result.text : result.why, want);
    else assert.match(result.ok ? '' : result.why, want);
  };
  check('${HOST}:${env:PORT:-5432}', 'db:5432');
  check('${env:EMPTY:-unused}', '');
  check('${env:NO:-${env:NEITHER:-${HOST}}}', 'db');
  check('${env:NO:-}', '');
  check('${env:NO:-a:-b}', 'a:-b');
  check('$$HOST $${HOST} $$$$ $', '$HOST ${HOST} $$ $');
  check('^\\d+$', '^\\d+$');
  check('$HOST', '$HOST');
  check('${TRAP}', '${HOST} $$');
  check('${env:NO}', /NO is not set/);
  check('${X}', /X is not set/);
  check('${env:9}', /name of a variable/);
  check('${}', /name of a variable/);
  check('${file:/etc/passwd}', /file:…} is not known/);
  check('${HOST', /not closed/);
  check('${NO:-'.repeat(20) + 'x' + '}'.repeat(20), /too deep/);
});

test('substitution: a variable is typed as YAML, but a text stays what it is', () => {
  const check = (text: string, want: unknown) => assert.deepEqual(typedValue(text), want);
  check('8080', 8080);
  check('true', true);
  check('', null);
  check('null', null);
  check('[a, 1]', ['a', 1]);
  check('{a: {b: 1}}', { a: { b: 1 } });
  check('"quoted"', 'quoted');
  check('pass #word', 'pass #word');
  check('#word', '#word');
  check('a: b', 'a: b');
  check('[not closed', '[not closed');
  check('*alias', '*alias');
  check(' spaced ', ' spaced ');
  check('!tag x', '!tag x');
});

test('environment: names are resolved against the keys that there are', () => {
  const keys: Record<string, string[]> = {
    '': ['tls', 'tls_config', 'http'],
    tls: ['config_file'],
    tls_config: ['file', 'a/b-c'],
  };
  const check = (name: string, want: string | null) => {
    const path = pathOf(name, (at) => keys[at.join('.')] ?? []);
    assert.equal(path === null ? null : formatPath(path), want);
  };
  check('BINNACLE_TLS_CONFIG_FILE', 'tls_config.file');
  check('BINNACLE_TLS_CONFIG', 'tls_config');
  check('BINNACLE_TLS', 'tls');
  check('BINNACLE_TLS_CONFIG_A_B_C', 'tls_config.a/b-c');
  check('BINNACLE_HTTP_PORT', null);
  check('BINNACLE_', null);
  check('HTTP', null);
});

test('environment: wins over files, is typed, and unknown names are warnings', () => {
  const { tree, warnings } = layered(['a: { b: 1 }'], {
    BINNACLE_A_B: '2', BINNACLE_C: '[x]', BINNACLE_URL: 'u', BINNACLE_A_BB: '1', OTHER: 'x',
  }, ['c']);
  assert.deepEqual(tree.value, { a: { b: 2 }, c: ['x'] });
  assert.equal(describeProblems(warnings),
    'BINNACLE_A_BB: names no key of the configuration; did you mean "BINNACLE_A_B"? It is ignored');
});

test('environment: sets keys of a backend and of components, whatever their type', async () => {
  const { config } = await loadBackendConfig({
    files: [], disk,
    env: {
      BINNACLE_HTTP_MAX_REQUEST_BODY_SIZE: '1MiB', BINNACLE_CLICKHOUSE_PASSWORD: '0123',
      BINNACLE_INGEST_FLUSH_ROWS: '5', BINNACLE_HTTP_TLS: '{cert_file: a, key_file: b}',
    },
  });
  assert.equal(config.http.max_request_body_size, 1_048_576);
  assert.equal(config.clickhouse.password, '0123');
  assert.equal(config.ingest.flush_rows, 5);
  assert.equal(config.http.tls?.cert_file, 'a');
});

test('environment: a mistake in a variable names the variable, never the value', async () => {
  const options = { files: [], disk, env: { BINNACLE_HTTP_ENDPOINT: 'hunter2' } };
  await assert.rejects(loadBackendConfig(options), (error: ConfigError) => {
    assert.ok(error instanceof OperatorError);
    assert.doesNotMatch(error.message, /hunter2/);
    assert.equal(describeProblems(error.problems), 'BINNACLE_HTTP_ENDPOINT: http.endpoint: '
      + 'is not an endpoint; write host:port, such as localhost:4317');
    return true;
  });
});

test('loader: an agent with layers, aliases of types, and what it warns about', async () => {
  const folder = mkdtempSync(`${tmpdir()}/binnacle-config-`);
  try {
    writeFileSync(`${folder}/a.yaml`, AGENT);
    writeFileSync(`${folder}/b.yaml`, 'processors: { batch: { timeout: 1s } }\n');
    const { config, warnings } = await loadAgentConfig({
      files: [`${folder}/a.yaml`, `${folder}/b.yaml`], disk, components: COMPONENTS,
      env: {
        BINNACLE_RECEIVERS_FILELOG_APP_START_AT: 'beginning', BINNACLE_DATA_DIR: '/d',
        BINNACLE_PROCESSORS_BATCH_SEND_BATCH_SIZE: '10', BINNACLE_HTTP_ENDPOINT: 'of the backend',
        BINNACLE_SERVICE_TELEMETRY_LOGS_LEVEL: 'WARN',
      },
    });
    assert.equal(config.data_dir, '/d');
    assert.deepEqual([...config.receivers.values()].map(({ id, type }) => [id, type]),
      [['filelog/app', 'file_log'], ['host_metrics', 'host_metrics']]);
    assert.deepEqual(config.receivers.get('filelog/app')!.config, {
      include: ['/tmp/*.log'], start_at: 'beginning', include_file_path: false,
      poll_interval: 200, max_log_size: 1_048_576,
    });
    assert.deepEqual(config.processors.get('batch')!.config,
      { timeout: 1000, send_batch_size: 10 });
    assert.deepEqual(config.pipelines, [{
      id: 'logs/app', signal: 'logs', receivers: ['filelog/app'], processors: ['batch'],
      exporters: ['debug'],
    }]);
    assert.deepEqual([...config.extensions.keys()], ['health_check/b', 'health_check']);
    assert.deepEqual(config.telemetry, {
      logs: { level: 'warn', format: 'auto' },
      metrics: { level: 'normal', address: { host: 'localhost', port: 8888 } },
    });
    assert.deepEqual(warnings.map(({ line, path, why }) => [line, path, why]), [
      [3, 'receivers.host_metrics', 'is defined but not used'],
      [6, 'extensions.health_check/unused', 'is defined but not used'],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('loader: telemetry in the newer words of the Collector', async () => {
  const telemetryOf = async (text: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'binnacle-config-'));
    try {
      writeFileSync(join(folder, 'a.yaml'), `receivers: { otlp: }
exporters: { debug: }
service:
  telemetry: ${text}
  pipelines: { logs: { receivers: [otlp], exporters: [debug] } }
`);
      const files = [join(folder, 'a.yaml')];
      return (await loadAgentConfig({ files, env: {}, disk, components: COMPONENTS })).config
        .telemetry;
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  const prometheus = '{ host: 0.0.0.0, port: 8889 }';
  const { metrics } = await telemetryOf(
    `{ metrics: { readers: [{ pull: { exporter: { prometheus: ${prometheus} } } }] } }`);
  assert.deepEqual(metrics.address, { host: '0.0.0.0', port: 8889 });
  assert.equal((await telemetryOf('{ metrics: { readers: [] } }')).metrics.address, null);
  assert.equal((await telemetryOf('{ logs: { encoding: console } }')).logs.format, 'text');
  assert.equal((await telemetryOf('{ logs: { encoding: json } }')).logs.format, 'json');
});

const AGENT = `receivers:
  filelog/app: { include: [/tmp/*.log] }
  host_metrics:
processors: { batch: { timeout: 5s } }
exporters: { debug: }
extensions: { health_check: , health_check/b: , health_check/unused: }
service:
  extensions: [health_check/b, health_check]
  pipelines:
    logs/app: { receivers: [file_log/app], processors: [batch], exporters: [debug] }
`;

test('loader: files that cannot be read', async () => {
  const check = async (file: string, want: string) => {
    const options = { files: [file], env: {}, disk };
    await assert.rejects(loadBackendConfig(options), (error: ConfigError) => {
      assert.equal(describeProblems(error.problems), want);
      return true;
    });
  };
  const folder = import.meta.dirname;
  await check(`${folder}/no.yaml`,
    `${folder}/no.yaml: it does not exist; check the path after --config`);
  await check(folder, `${folder}: cannot be read: it is a folder; check the path after --config`);
});

test('errors: problems are told in the order of files and lines, with a count', () => {
  const problem = (file: string, line: number) =>
    ({ file, line, column: 1, path: 'a', why: 'is wrong', hint: '' });
  const error = new ConfigError([problem('b', 9), problem('a', 5), problem('b', 2)]);
  assert.equal(error.message, 'cannot use the configuration: 3 problems\n'
    + 'b:2:1: a: is wrong\nb:9:1: a: is wrong\na:5:1: a: is wrong');
});

test('errors: the closest word, if any is close', () => {
  const words = ['endpoint', 'max_recv_msg_size_mib', 'tls', 'headers'];
  const check = (word: string, want: string | null) => assert.equal(closestWord(word, words), want);
  check('endpiont', 'endpoint');
  check('Endpoint', 'endpoint');
  check('maxRecvMsgSizeMib', 'max_recv_msg_size_mib');
  check('tsl', 'tls');
  check('header', 'headers');
  check('completely_else', null);
  check('x'.repeat(1000), null);
});

test('loader: no receiver or exporter has the id of a connector', async () => {
  const folder = mkdtempSync(`${tmpdir()}/binnacle-config-`);
  try {
    writeFileSync(`${folder}/a.yaml`, 'exporters: { debug: }\nconnectors: { debug: }\n');
    const debug = COMPONENTS.find(({ type }) => type === 'debug')!;
    const components = [...COMPONENTS, { ...debug, kind: 'connector' }];
    const files = [`${folder}/a.yaml`];
    await assert.rejects(loadAgentConfig({ files, disk, components, env: {} }),
      /a\.yaml:2:15: connectors\.debug: has the id of one of the exporters; give one of them/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
