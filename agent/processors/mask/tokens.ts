// Keys whose makers gave them a form of their own: each is known by its first letters.

import { entropyOf } from './validators.ts';
import type { Hide } from './rule.ts';

interface KeyForm {
  readonly rule: string;
  /** What it begins with, for the scanner: the common letters of all its forms. */
  readonly trigger: string;
  readonly pattern: RegExp;
}

/** Behind a letter or digit none begins, so that the middle of a longer word is none. */
const form = (rule: string, trigger: string, source: string): KeyForm =>
  ({ rule, trigger, pattern: new RegExp(`(?<![A-Za-z0-9])(?:${source})`, 'g') });

export const KEY_FORMS: readonly KeyForm[] = [
  form('aws_key', '(?:A3T|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]',
    '(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])'),
  form('github_token', 'gh[pousr]_|github_pat_',
    'gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255}'),
  form('gitlab_token', 'gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-|GR1348941',
    '(?:gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-|GR1348941)[0-9A-Za-z_-]{20,255}'),
  form('slack_token', 'xox[a-z]|xapp-|hooks\\.slack\\.com',
    'xox[abeoprs](?:\\.xox[bp])?-[0-9A-Za-z-]{10,250}|xapp-\\d-[0-9A-Za-z-]{10,250}'
    + '|(?<=hooks\\.slack\\.com/(?:services|workflows)/)[0-9A-Za-z/_-]{20,120}'),
  form('stripe_key', 'k_(?:live|test|prod)_|whsec_',
    '[spr]k_(?:live|test|prod)_[0-9A-Za-z]{10,255}|whsec_[0-9A-Za-z+/=]{20,255}'),
  form('google_key', 'AIza|ya29|GOCSPX',
    'AIza[0-9A-Za-z_-]{35}|ya29\\.[0-9A-Za-z_-]{20,1000}|GOCSPX-[0-9A-Za-z_-]{20,60}'),
  form('npm_token', 'npm_', 'npm_[0-9A-Za-z]{36}(?![0-9A-Za-z])'),
  form('ai_key', '\\bsk-[A-Za-z0-9]|\\bhf_[A-Za-z]',
    'sk-(?:ant-|proj-|svcacct-|or-)[0-9A-Za-z_-]{20,255}|sk-[0-9A-Za-z]{16,100}'
      + '|hf_[A-Za-z]{30,60}'),
  form('service_key', 'SG\\.|pypi-|do[oprt]_v1_|shp[a-z]*_|dckr_pat_|\\d:AA|lin_api_|sq0',
    'SG\\.[0-9A-Za-z_-]{16,40}\\.[0-9A-Za-z_-]{16,80}|pypi-[0-9A-Za-z_-]{50,255}'
    + '|do[oprt]_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|dckr_pat_[0-9A-Za-z_-]{20,60}'
    + '|\\d{8,10}:AA[0-9A-Za-z_-]{33}|lin_api_[0-9A-Za-z]{32,60}|sq0[a-z]{3}-[0-9A-Za-z_-]{20,60}'),
];

/** A key of random letters has more than this; `sk-aaaaaaaa` and the like are examples. */
const ENTROPY_MIN = 2.5;

/** Each form is one regular expression without nested repetitions. */
export function hideKeys(form: KeyForm, text: string, hide: Hide): string {
  return text.replace(form.pattern, (key) => (entropyOf(key) < ENTROPY_MIN ? key : hide(key)));
}
