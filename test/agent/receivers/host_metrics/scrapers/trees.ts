// A host whose files are real ones in a temporary folder, for scrapers that walk through folders.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createHost, type Host } from '../../../../../agent/receivers/host_metrics/host.ts';
import { createWorld } from '../../../../../runtime/world.ts';
import { temporaryFolder } from '../../../../contract/fakes.ts';

export interface HostTree {
  readonly host: Host;
  /** Writes files, by their path on that host; one that begins with `-> ` becomes a link. */
  write(files: Readonly<Record<string, string>>): void;
}

export function hostTree(given: Readonly<Record<string, string>>): HostTree {
  const rootPath = temporaryFolder();
  const write = (files: Readonly<Record<string, string>>): void => {
    for (const [path, content] of Object.entries(files)) {
      const full = join(rootPath, path);
      mkdirSync(dirname(full), { recursive: true });
      if (content.startsWith('-> ')) symlinkSync(content.slice(3), full);
      else writeFileSync(full, content);
    }
  };
  write({ '/proc/stat': 'btime 1700000000\n', ...given });
  return { host: createHost(createWorld(), { rootPath, release: '6.1.0' }), write };
}
