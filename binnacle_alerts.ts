// The commands about rules and alerts: their flags, and which file does them. What a command needs
// is loaded when it runs.

import { type Command, InvalidArgumentError } from 'commander';
import type { TestFlags } from './backend/script/command.ts';
import type { AckFlags, AlertsFlags, SilenceFlags } from './backend/client/alerts.ts';
import type { Target } from './backend/client/ask.ts';
import type { BacktestFlags } from './backend/client/backtest.ts';

/** Makes a command of `parent` that asks a backend. */
export type Asking = (name: string, parent: Command) => Command;

export function addAlertCommands(program: Command, ask: Asking): void {
  const rules = program.command('rules')
    .description('try, check and list the rules of alerts');
  addTest(rules);
  addCheck(rules);
  addBacktest(ask('backtest', rules));
  addList(ask('list', rules));
  addAlerts(ask('alerts', program), ask);
}

function addTest(rules: Command): void {
  rules.command('test')
    .description('run scripts that say which alerts and notifications come when')
    .argument('<files...>', 'scripts (docs/alert_scripts.md)')
    .option('--json', 'print it as JSON', false)
    .option('--verbose', 'with what happened at which instant', false)
    .addHelpText('after', `
Time is virtual: a day takes seconds. No backend has to run, and nobody is notified.

Examples:
  binnacle rules test shop.test.txt
  binnacle rules test --verbose config/rules/tests/*.txt

Exit code: 0 everything is as expected, 1 something is not.`)
    .action(async (files: string[], flags: TestFlags) => {
      const { testRules } = await import('./backend/script/command.ts');
      await testRules(files, flags);
    });
}

function addCheck(rules: Command): void {
  rules.command('check')
    .description('say what is wrong with files of rules, and where')
    .argument('<files...>', 'YAML, or JSON of thresholds')
    .option('-u, --url <url>', 'a backend that tries the questions of the rules, too')
    .option('--token <token>', 'who asks, where the backend wants to know')
    .option('--json', 'print it as JSON', false)
    .addHelpText('after', `
Examples:
  binnacle rules check config/rules/*.yaml
  binnacle rules check --url http://localhost:8080 shop.yaml

Exit code: 0 nothing is wrong, 1 something is.`)
    .action(async (files: string[], flags: Partial<Target> & { json: boolean }) => {
      const { checkRules } = await import('./backend/client/rules_check.ts');
      await checkRules(files, flags);
    });
}

function addBacktest(command: Command): void {
  command
    .description('say when a rule would have fired on what is stored')
    .argument('<rule>', 'a rule of the backend by name or id, FILE with one rule, or FILE#NAME')
    .option('--last <duration>', 'how far back: 6h, 2d (14d)')
    .option('--from <time>', 'begin, such as 2026-01-02T03:04:05Z; instead of --last')
    .option('--to <time>', 'end (now)')
    .option('--json', 'print it as JSON', false)
    .addHelpText('after', `
Examples:
  binnacle rules backtest CheckoutErrors --last 14d
  binnacle rules backtest shop.yaml#CheckoutErrors --from 2026-01-02 --to 2026-01-09`)
    .action(async (rule: string, flags: Omit<BacktestFlags, 'rule'>) => {
      const { backtest } = await import('./backend/client/backtest.ts');
      await backtest({ ...flags, rule });
    });
}

function addList(command: Command): void {
  command
    .description('list the rules of a backend, and how their last evaluation went')
    .option('--json', 'print it as JSON', false)
    .action(async (flags: AlertsFlags) => {
      const { listRules } = await import('./backend/client/alerts.ts');
      await listRules(flags);
    });
}

function addAlerts(alerts: Command, ask: Asking): void {
  alerts
    .description('list alerts: what fires, since when, and who looks after it')
    .option('--all', 'also those that are over', false)
    .option('--json', 'print it as JSON', false)
    .addHelpText('after', `
Examples:
  binnacle alerts
  binnacle alerts ack 3f1c --for 2h --comment "on it"
  binnacle alerts silence 'service="shop"' --for 1h --comment "deploying"`)
    .action(async (flags: AlertsFlags) => {
      const { listAlerts } = await import('./backend/client/alerts.ts');
      await listAlerts(flags);
    });
  ask('ack', alerts)
    .description('say that you look after an alert: nobody is notified of it meanwhile')
    .argument('<alert>', 'its id, or how that begins')
    .option('--for <duration>', 'how long: 30m, 2h, 1d', duration, '1h')
    .option('--comment <text>', 'for the others', '')
    .action(async (id: string, _: unknown, command: Command) => {
      const { acknowledge } = await import('./backend/client/alerts.ts');
      await acknowledge(id, command.optsWithGlobals<AckFlags>());
    });
  ask('silence', alerts)
    .description('tell nobody of some alerts for a while')
    .argument('<matchers...>', 'such as service="shop" alertname=~"Disk.*"')
    .option('--for <duration>', 'how long', duration, '1h')
    .requiredOption('--comment <text>', 'why')
    .action(async (matchers: string[], _: unknown, command: Command) => {
      const { silence } = await import('./backend/client/alerts.ts');
      await silence(matchers, command.optsWithGlobals<SilenceFlags>());
    });
}

function duration(value: string): string {
  if (/^(\d+(ms|[smhdw]))+$/.test(value)) return value;
  throw new InvalidArgumentError('write it like 30m, 2h, 1d.');
}
