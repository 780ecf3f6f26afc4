const SECTIONS = ['stats', 'commandstats', 'cpu', 'memory'];
const REQUEST_BYTES = ['info', ...SECTIONS].reduce(
  (bytes, word) => bytes + `$${word.length}\r\n${word}\r\n`.length,
  `*${SECTIONS.length + 1}\r\n`.length,
);

/** Reads what Redis itself has counted so far. */
export async function readCounters(control) {
  const text = await control.info(...SECTIONS);
  const fields = new Map(text.split('\r\n').map((line) => line.split(':', 2)));
  const number = (name) => Number(fields.get(name));
  const calls = new Map();
  for (const [name, value] of fields) {
    if (name.startsWith('cmdstat_')) calls.set(name.slice('cmdstat_'.length), Number(/calls=(\d+)/.exec(value)[1]));
  }
  return {
    cpuUs: (number('used_cpu_sys') + number('used_cpu_user')) * 1e6,
    bytesIn: number('total_net_input_bytes'),
    bytesOut: number('total_net_output_bytes'),
    memoryBytes: number('used_memory'),
    calls,
    scriptUs: Number(/usec=(\d+)/.exec(fields.get('cmdstat_evalsha') ?? '')?.[1] ?? 0),
    replyBytes: `$${Buffer.byteLength(text)}\r\n${text}\r\n`.length,
  };
}

// What the readings themselves and the heartbeats of idle connections do.
const NOT_COUNTED = new Set(['info', 'ping']);

/** What Redis did between two readings, without the readings. */
export function countersBetween(before, after) {
  const commands = {};
  for (const [name, calls] of after.calls) {
    const made = calls - (before.calls.get(name) ?? 0);
    if (made > 0 && !NOT_COUNTED.has(name)) commands[name] = made;
  }
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    // Each reading counts its own request already, and not yet its own reply.
    bytesIn: after.bytesIn - before.bytesIn - REQUEST_BYTES,
    bytesOut: after.bytesOut - before.bytesOut - before.replyBytes,
    scriptUs: after.scriptUs - before.scriptUs,
    memoryBytes: after.memoryBytes - before.memoryBytes,
    commands,
  };
}
