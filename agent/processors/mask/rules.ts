// The rules of the mask processor, in the order in which they are applied: what is known by its
// name or surroundings first, since what they hide must not be taken for a number.

import { hideEmails, hideIpv4, hideIpv6 } from './addresses.ts';
import { meaningOf } from './keys.ts';
import { hideCards, hideIbans, hidePhones, hideSsns } from './numbers.ts';
import type { Rule } from './rule.ts';
import {
  hideCookies, hideCredentials, hideNamed, hidePrivateKeys, hideSpoken, hideSql, hideUrlPasswords,
  hideWebTokens,
} from './secrets.ts';
import { hideKeys, KEY_FORMS } from './tokens.ts';

const NAMES = '(?:passw|passp|passc|pwd|\\bpass|\\bpw|cvv|cvc|pin.?code|token|secret|[a-z_-]key'
  + '|credential|authorization|sess_?id|sessionid|connect\\.sid|[?&;](?:sig|signature|key|code'
  + '|auth)'
  + '|x-amz-|\\botp|\\bdsn)';

/** Those of one name are switched and counted together. */
export const RULES: readonly Rule[] = [
  { name: 'private_key', level: 'public', triggers: ['-----BEGIN '], apply: hidePrivateKeys },
  { name: 'url_password', level: 'public', triggers: ['://[^ @/]*:[^ @/]*@'],
    apply: hideUrlPasswords },
  { name: 'cookie', level: 'public', triggers: ['(?i)cookie2?["\'\\]\\\\]*\\s*[:=]'],
    apply: hideCookies },
  { name: 'authorization', level: 'public',
    triggers: ['(?i)\\b(?:bearer|basic|negotiate|ntlm|apikey|token)(?:\\s'
      + '|%20)\\s?\\s?[a-z0-9+/_.~-]{8}'],
    apply: hideCredentials },
  { name: 'secret', level: 'public',
    triggers: [
      `(?i)${NAMES}[a-z0-9_-]*["'\\]\\\\]*\\s*[=:>]`,
      '(?i)-(?:password|passwd|passphrase|pwd|token|secret|[a-z-]*key)\\s',
      '(?i)\\b(?:password|passphrase|secret|token|pin) (?:is|was|=|to) ',
    ],
    apply: (text, hide) => hideSpoken(hideNamed(text, hide), hide) },
  { name: 'sql', level: 'public',
    triggers: ['(?i)insert\\s+into\\s', '(?i)(?:\\bby|password)[ (]*\''],
    apply: (text, hide) => hideSql(text, hide, (column) => meaningOf(column) === 'secret') },
  { name: 'jwt', level: 'public', triggers: ['eyJ[A-Za-z0-9_-]{10}'], apply: hideWebTokens },
  ...KEY_FORMS.map((form): Rule => ({
    name: form.rule, level: 'public', triggers: [form.trigger],
    apply: (text, hide) => hideKeys(form, text, hide),
  })),
  { name: 'iban', level: 'internal', triggers: ['\\b[A-Z]{2}\\d{2}(?: ?[A-Z0-9]){11}'],
    apply: hideIbans },
  { name: 'card', level: 'internal',
    triggers: [
      '\\b[2-6]\\d{12}', '\\b[2-6]\\d{3}(?: \\d{4} |-\\d{4}-)\\d{4}',
      '\\b3\\d{3}(?: \\d{6} |-\\d{6}-)\\d{4}',
    ],
    apply: hideCards },
  { name: 'ssn', level: 'internal',
    triggers: ['\\b\\d{3}-\\d{2}-\\d{4}\\b', '(?i)(?:ssn'
      + '|social.security)[a-z _-]*["\':=#\\s]*\\d{3}'],
    apply: hideSsns },
  { name: 'email', level: 'confidential', triggers: ['[a-zA-Z0-9_%+-]@[a-zA-Z0-9-]+\\.[a-zA-Z0-9]'],
    apply: hideEmails },
  { name: 'phone', level: 'confidential',
    triggers: [
      '\\+[1-9](?:[ ().-]*\\d){7}', '\\([2-9]\\d{2}\\) ?\\d{3}[-. ]\\d{4}',
      '\\b[2-9]\\d{2}-\\d{3}-\\d{4}\\b',
      '(?i)(?:phone|mobile|\\btel|cell|fax|\\bsms|msisdn|whatsapp|\\bcall(?:er|ee)?)[a-z _-]*'
      + '["\':=#.\\s]*(?:to |from |at )?["\']?\\(?\\d(?:[ ().-]*\\d){6}',
    ],
    apply: hidePhones },
  { name: 'ip_address', level: 'restricted', triggers: ['\\d\\.\\d{1,3}\\.\\d{1,3}\\.\\d'],
    apply: hideIpv4 },
  { name: 'ip_address', level: 'restricted',
    triggers: ['(?i)::[0-9a-f]|(?:[0-9a-f]{1,4}:){7}[0-9a-f]'], apply: hideIpv6 },
];

/** Rules that only look at the names of values. */
export const NAME_RULES = [{ name: 'user_name', level: 'restricted' }] as const;

export const RULE_NAMES: readonly string[] =
  [...new Set([...RULES, ...NAME_RULES].map(({ name }) => name))];
