#!/usr/bin/env node
// Starts the bundled command, and bundles it before that when a source beside it has changed.

import { existsSync } from 'node:fs';

if (process.env.NODE_OPTIONS?.includes('--import tsx')) {
  // Coverage counts the lines of the sources themselves.
  await import('./binnacle.ts');
} else {
  // An installation without sources has no build either.
  if (existsSync(new URL('./build.mjs', import.meta.url))) {
    const { build, isFresh } = await import('./build.mjs');
    if (!isFresh()) await build();
  }
  await import('./dist/binnacle.mjs');
}
