// The `env` detector: what the environment says about the resource, as the OpenTelemetry
// specification has it (Resource SDK, "Specifying resource information via an environment
// variable"): `OTEL_RESOURCE_ATTRIBUTES=key=value,key=value` with percent-encoded values, and
// `OTEL_SERVICE_NAME`, which wins over a service.name in the list.

import type { Attributes } from '../../../proto/otlp/model.ts';
import { joinAttributes, textAttributes, type Detector, type DetectorContext } from './detector.ts';

export function createEnvironmentDetector({ env }: DetectorContext): Detector {
  return {
    name: 'env',
    detect: async () => {
      const service = textAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] });
      return joinAttributes(service, parseList(env['OTEL_RESOURCE_ATTRIBUTES'] ?? ''));
    },
  };
}

/** Throws when the list is broken anywhere: half of a list would be found and the rest missed. */
function parseList(text: string): Attributes {
  const parts = text.split(',').map((part) => part.trim()).filter((part) => part !== '');
  return parts.flatMap((part) => {
    const equals = part.indexOf('=');
    if (equals < 1) throw new Error('OTEL_RESOURCE_ATTRIBUTES is not a list of key=value');
    const key = part.slice(0, equals).trim();
    return textAttributes({ [key]: decode(part.slice(equals + 1).trim()) });
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('OTEL_RESOURCE_ATTRIBUTES has a broken percent-encoding');
  }
}
