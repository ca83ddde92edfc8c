// How journalctl is called (journalctl(1)). Values stand behind `=` in one argument with their
// option, and fields are checked names, so nothing that a person writes is taken for an option.

import type { JournaldConfig } from './config.ts';

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** Prints all entries behind the cursor, or all that there are without one, and those to come. */
export function followCommand(config: JournaldConfig, cursor: string): Command {
  const after = cursor === '' ? [] : [`--after-cursor=${cursor}`];
  return whole(config, [
    '--output=json', '--follow', '--no-tail', ...after, ...choiceArgs(config),
  ]);
}

/** Prints the newest entry alone. */
export function newestCommand(config: JournaldConfig): Command {
  return whole(config, ['--output=json', '--lines=1', '--no-pager', ...sourceArgs(config)]);
}

function whole(config: JournaldConfig, args: readonly string[]): Command {
  const { root_path: root, journalctl_path: path } = config;
  return root === undefined
    ? { command: path, args }
    : { command: 'chroot', args: [root, path, ...args] };
}

function sourceArgs({ directory, files, namespace, merge, all }: JournaldConfig): string[] {
  return [
    ...(directory === undefined ? [] : [`--directory=${directory}`]),
    ...files.map((file) => `--file=${file}`),
    ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
    ...(merge ? ['--merge'] : []),
    ...(all ? ['--all'] : []),
  ];
}

function choiceArgs(config: JournaldConfig): string[] {
  const { units, identifiers, priority, grep, dmesg, matches } = config;
  return [
    ...sourceArgs(config),
    ...units.map((unit) => `--unit=${unit}`),
    ...identifiers.map((identifier) => `--identifier=${identifier}`),
    `--priority=${priority}`,
    ...(grep === undefined ? [] : [`--grep=${grep}`]),
    ...(dmesg ? ['--dmesg'] : []),
    ...matches.flatMap((fields, index) => [
      ...(index === 0 ? [] : ['+']),
      ...Object.keys(fields).sort().map((field) => `${field}=${fields[field]}`),
    ]),
  ];
}
