// The `docker` detector: asks the Docker engine on this host for its name and operating system.
// Where there is no engine, or this user may not ask it, there is nothing to be found.

import { createEngine } from '../../docker_engine/engine.ts';
import { errorCode, errorMessage } from '../../../runtime/errors.ts';
import { textAttributes, type Detector, type DetectorContext } from './detector.ts';

export interface DockerNames {
  readonly 'host.name': { readonly enabled: boolean };
  readonly 'os.type': { readonly enabled: boolean };
}

/** The detection as a whole has a time, which ends before this one. */
const TIMEOUT_MS = 60_000;
const ABSENT: readonly string[] = ['ENOENT', 'ECONNREFUSED', 'EACCES'];

export function createDockerDetector(
  names: DockerNames,
  { world, log }: DetectorContext,
  socket: string,
): Detector {
  const engine = createEngine({
    address: { socket, host: 'docker', port: 0 }, timeoutMs: TIMEOUT_MS, clock: world.clock,
  });
  return {
    name: 'docker',
    detect: async (abort) => {
      try {
        const info = parseInfo(await engine.json('/info', abort));
        return textAttributes({
          'host.name': names['host.name'].enabled ? info.Name : undefined,
          'os.type': names['os.type'].enabled ? info.OSType : undefined,
        });
      } catch (error) {
        if (!ABSENT.includes(errorCode(error))) throw error;
        log.info(`the docker detector finds nothing: ${errorMessage(error)}`, { socket });
        return [];
      }
    },
  };
}

interface EngineInfo {
  readonly Name?: string;
  readonly OSType?: string;
}

function parseInfo(answer: unknown): EngineInfo {
  const { Name: name, OSType: type } = answer as Record<string, unknown>;
  return {
    ...(typeof name === 'string' ? { Name: name } : {}),
    ...(typeof type === 'string' ? { OSType: type } : {}),
  };
}
