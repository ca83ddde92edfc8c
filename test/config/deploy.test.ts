// Proves what is shipped for running the agent elsewhere: the unit file passes systemd's own check
// (skipped, saying so, where systemd-analyze is not installed), and the configuration inside of the
// DaemonSet loads with the real components, and reads what the pod mounts.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { loadComponents } from '../../agent/components.ts';
import { describeProblems } from '../../config/errors.ts';
import { loadAgentConfig } from '../../config/pipelines.ts';
import { createFiles } from '../../runtime/files.ts';

const factories = await loadComponents();

const DEPLOY = `${import.meta.dirname}/../../config/deploy`;

const withFolder = async (run: (folder: string) => Promise<void> | void) => {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-deploy-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

test('deploy: systemd finds nothing wrong with the unit',
  { skip: hasSystemd ? false : 'systemd-analyze is not installed' }, () => withFolder((folder) => {
    // Only the paths of commands are looked for, and those differ from machine to machine.
    const text = readFileSync(`${DEPLOY}/binnacle-agent.service`, 'utf8')
      .replaceAll('/usr/bin/node', process.execPath);
    mkdirSync(join(folder, 'units'));
    const file = join(folder, 'units/binnacle-agent.service');
    writeFileSync(file, text);
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file],
      { encoding: 'utf8' });
    assert.deepEqual([status, stderr.split('\n').filter((line) => line.includes(file))], [0, []]);
  }));

interface Manifest {
  readonly kind: string;
  readonly data: Readonly<Record<string, string>>;
  readonly spec: { readonly template: { readonly spec: {
    readonly containers: readonly { readonly volumeMounts: readonly { mountPath: string }[] }[];
  } } };
}

test('deploy: the DaemonSet\'s configuration loads and reads what the pod mounts', () =>
  withFolder(async (folder) => {
    const documents = parseAllDocuments(readFileSync(`${DEPLOY}/daemonset.yaml`, 'utf8'))
      .map((document) => {
        assert.deepEqual(document.errors, []);
        return document.toJS() as Manifest;
      });
    assert.deepEqual(documents.map(({ kind }) => kind), ['ConfigMap', 'DaemonSet']);
    const file = join(folder, 'agent.yaml');
    writeFileSync(file, documents[0]!.data['agent.yaml']!);
    const { config, warnings } = await loadAgentConfig({ files: [file], disk: createFiles(),
      env: { BACKEND_ENDPOINT: 'backend:14317' }, components: factories });
    assert.equal(describeProblems(warnings), '');
    const { include } = config.receivers.get('file_log')!.config as { include: string[] };
    const mounts = documents[1]!.spec.template.spec.containers[0]!.volumeMounts
      .map(({ mountPath }) => mountPath);
    assert.ok(include.every((path) => mounts.some((mount) => path.startsWith(`${mount}/`))));
  }));
