// The `docker` detector: asks the Docker engine on this host for its name and operating system.
// Where there is no engine, or this user may not ask it, there is nothing to be found.

import { request } from 'node:http';
import { errorCode } from '../../../runtime/errors.ts';
import { textAttributes, type Detector, type DetectorContext } from './detector.ts';

export interface DockerNames {
  readonly 'host.name': { readonly enabled: boolean };
  readonly 'os.type': { readonly enabled: boolean };
}

/** A longer answer is not read: the engine's description of itself has some kilobytes. */
const ANSWER_BYTES_MAX = 1024 * 1024;

const ABSENT: Readonly<Record<string, string>> = {
  ENOENT: 'there is no Docker engine',
  ECONNREFUSED: 'the Docker engine does not run',
  EACCES: 'this user may not ask the Docker engine',
};

export function createDockerDetector(
  names: DockerNames,
  { log }: DetectorContext,
  socket: string,
): Detector {
  return {
    name: 'docker',
    detect: async (abort) => {
      try {
        const info = await engineInfo(socket, abort);
        return textAttributes({
          'host.name': names['host.name'].enabled ? info.Name : undefined,
          'os.type': names['os.type'].enabled ? info.OSType : undefined,
        });
      } catch (error) {
        const cause = ABSENT[errorCode(error)];
        if (cause === undefined) throw error;
        log.info(`the docker detector finds nothing: ${cause}`, { socket });
        return [];
      }
    },
  };
}

interface EngineInfo {
  readonly Name?: string;
  readonly OSType?: string;
}

function engineInfo(socket: string, abort: AbortSignal): Promise<EngineInfo> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: socket, path: '/info', headers: { host: 'docker' } };
    const call = request({ ...options, signal: abort }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) call.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        try {
          if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode}`);
          resolve(parseInfo(Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(error);
        }
      });
    });
    call.on('error', reject);
    call.end();
  });
}

function parseInfo(text: string): EngineInfo {
  const { Name: name, OSType: type } = JSON.parse(text) as Record<string, unknown>;
  return {
    ...(typeof name === 'string' ? { Name: name } : {}),
    ...(typeof type === 'string' ? { OSType: type } : {}),
  };
}
