// A policy that asks OTTL conditions about spans and their events; one that holds is enough. With
// error_mode propagate a condition that fails makes the policy fail for the trace, which is counted
// and leaves the decision to the others.

import type { ComponentContext } from '../../../proto/contract/component.ts';
import { failureOptions } from '../../ottl/failures.ts';
import { OttlFailure } from '../../ottl/fault.ts';
import { createConditions } from '../../ottl/ottl.ts';
import { OttlView } from '../../ottl/view.ts';
import type { PolicyConfig } from './config.ts';
import { certain, NEVER, type Policy, type SpanAround } from './policy.ts';

export function createOttlCondition(
  config: NonNullable<PolicyConfig['ottl_condition']>, context: ComponentContext,
): Policy {
  const options = { world: context.world, ...failureOptions(config.error_mode, context) };
  const ofSpan = config.span.length === 0 ? null
    : createConditions(config.span, { context: 'span', ...options });
  const ofEvent = config.spanevent.length === 0 ? null
    : createConditions(config.spanevent, { context: 'spanevent', ...options });
  const view = new OttlView();
  const holds = ({ resource, scope, span }: SpanAround): boolean => {
    view.resource = resource;
    view.scope = scope;
    view.span = span;
    if (ofSpan?.(view) === true) return true;
    if (ofEvent === null) return false;
    return span.events.some((event, index) => {
      view.spanEvent = event;
      view.spanEventIndex = index;
      return ofEvent(view);
    });
  };
  return {
    needsSpans: true,
    vote: ({ spans }) => {
      try {
        return certain(spans.some(holds));
      } catch (error) {
        if (error instanceof OttlFailure) return { kind: 'error', ...NEVER };
        throw error;
      }
    },
  };
}
