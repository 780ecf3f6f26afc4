import { describeEndings } from './conformance/endings-suite.js';
import { describeGrants } from './conformance/grants-suite.js';
import { describeOutages } from './conformance/outages-suite.js';
import { describeQueue } from './conformance/queue-suite.js';
import { describeTraces } from './conformance/traces-suite.js';
import { sceneTests, type LockDriverSuiteOptions } from './conformance/scene.js';

export type { LockDriverSuiteOptions, TestRunner } from './conformance/scene.js';
export type {
  Answer,
  Beat,
  Busy,
  Claim,
  Granted,
  Hold,
  LockDriver,
  LockListener,
  LockState,
  ReleaseOptions,
  Renewal,
  Renewed,
  Replicated,
  Waiting,
} from './drivers/lock-driver.js';
export type { Moment } from './moment.js';

/** The contract of LockDriver as tests. Every driver must pass all of them. */
export function runLockDriverSuite(options: LockDriverSuiteOptions): void {
  const tests = sceneTests(options);
  options.describe(`lock driver on ${options.name}`, () => {
    describeGrants(tests);
    describeQueue(tests);
    describeEndings(tests);
    describeOutages(tests);
    describeTraces(tests);
  });
}
