import { aroundMethod } from '@nuthatch/redis/internal';
import { LockSections } from '../sections/lock-sections.js';

export const aroundLockedMethod = aroundMethod(
  LockSections,
  'Import LockModule.forRoot() in the root module to use @WithLock() and @ScheduledLock().',
);
