// Whose a file is: the names of its owner and group, from the machine's own lists of users and
// groups. One that these do not name is named by its number; what is not known is empty.

import type { Files } from '../../../runtime/files.ts';

export interface Owner {
  readonly owner: string;
  readonly group: string;
}

export const NOBODY: Owner = { owner: '', group: '' };

export function createOwners(files: Files): (path: string) => Promise<Owner> {
  let users: Promise<Map<string, string>> | undefined;
  let groups: Promise<Map<string, string>> | undefined;
  return async (path) => {
    const stat = await files.stat(path).catch(() => null);
    if (stat?.userId === undefined || stat.groupId === undefined) return NOBODY;
    users ??= readNames(files, '/etc/passwd');
    groups ??= readNames(files, '/etc/group');
    const [user, group] = [String(stat.userId), String(stat.groupId)];
    return {
      owner: (await users).get(user) ?? user,
      group: (await groups).get(group) ?? group,
    };
  };
}

/** Names by number: `name:password:number:…` a line. */
async function readNames(files: Files, path: string): Promise<Map<string, string>> {
  const bytes = await files.read(path).catch(() => null);
  const lines = bytes?.toString('utf8').split('\n') ?? [];
  return new Map(lines.flatMap((line) => {
    const [name, , number] = line.split(':');
    return number === undefined ? [] : [[number, name!] as const];
  }));
}
