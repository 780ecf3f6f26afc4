// Imported before anything else: the wall clock of this process is off by what the environment says.
const shiftMs = Number(process.env['SPEC_CLOCK_SHIFT_MS'] ?? 0);

if (shiftMs !== 0) {
  const now = Date.now.bind(Date);
  const origin = performance.timeOrigin;
  globalThis.Date = class extends Date {
    constructor(...parts: []) {
      if (parts.length > 0) super(...parts);
      else super(now() + shiftMs);
    }

    static override now(): number {
      return now() + shiftMs;
    }
  } as DateConstructor;
  Object.defineProperty(performance, 'timeOrigin', { value: origin + shiftMs });
}
