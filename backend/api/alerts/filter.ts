// Which alerts somebody means: by state, severity, service, and matchers of labels.

import { compileMatchers, parseMatchers } from '../../alerting/matchers.ts';
import type { Labels } from '../../labels/labels.ts';
import { ApiError } from '../errors.ts';
import { invalid } from '../period.ts';
import { STATES, type AlertItem, type State } from './shown.ts';

export interface AskedAlerts {
  readonly state?: string;
  readonly severity?: string;
  readonly service?: string;
  readonly q?: string;
}

/** What the parameters of a list and of the stream ask for. Throws ApiError. */
export function fitsAsked(asked: AskedAlerts): (item: AlertItem) => boolean {
  const { state, severity, service, q } = asked;
  const states = statesOf(state);
  const labelsFit = labelsOf(q);
  return (item) => states.includes(item.status)
    && (severity === undefined || severity.toLowerCase() === item.severity.toLowerCase())
    && (service === undefined || service === item.service) && labelsFit(item.labels);
}

/** What is not over, unless somebody asks for more. */
function statesOf(text: string | undefined): readonly State[] {
  if (text === undefined) return ['pending', 'firing', 'acknowledged'];
  if (text === 'all') return STATES;
  const states = text.split(',');
  const unknown = states.find((one) => !(STATES as readonly string[]).includes(one));
  if (unknown === undefined) return states as State[];
  throw invalid(`state must be ${STATES.join(', ')}, several with commas, or all`);
}

function labelsOf(text: string | undefined): (labels: Labels) => boolean {
  if (text === undefined) return () => true;
  const parsed = parseMatchers(text);
  if (parsed.ok) return compileMatchers(parsed.matchers);
  throw new ApiError('INVALID_SEARCH', `q ${parsed.why}`,
    'write matchers of labels, such as severity="critical",service=~"shop.*"');
}
