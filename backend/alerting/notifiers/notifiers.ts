// The kinds of notifiers that there are; one of each is a file beside this one.

import type { NotifierFactory } from '../model.ts';
import { alertmanagerNotifier } from './alertmanager.ts';
import { dashboardNotifier } from './dashboard.ts';
import { discordNotifier } from './discord.ts';
import { emailNotifier } from './email.ts';
import { opsgenieNotifier } from './opsgenie.ts';
import { pagerdutyNotifier } from './pagerduty.ts';
import { slackNotifier } from './slack.ts';
import { smsNotifier } from './sms.ts';
import { teamsConnectorNotifier, teamsNotifier } from './teams.ts';
import { telegramNotifier } from './telegram.ts';
import { webhookNotifier } from './webhook.ts';

/** `type` with `_configs` behind it is how they are written in a receiver. */
export const NOTIFIERS: readonly NotifierFactory<any>[] = [
  webhookNotifier, emailNotifier, slackNotifier, telegramNotifier, smsNotifier, pagerdutyNotifier,
  opsgenieNotifier, teamsNotifier, teamsConnectorNotifier, discordNotifier, alertmanagerNotifier,
  dashboardNotifier,
];
