const END = 'bench:end';

/** Which share of the calls of each command clients send while `run` runs; scripts call the others. INFO counts both alike. */
export async function sharesSent(control, run) {
  const monitor = await control.monitor();
  const calls = {};
  const ended = new Promise((resolve) => {
    monitor.on('monitor', (_time, [name, argument], source) => {
      if (argument === END) resolve();
      const seen = (calls[name.toLowerCase()] ??= { sent: 0, all: 0 });
      seen.all += 1;
      if (source !== 'lua') seen.sent += 1;
    });
  });
  try {
    await run();
    await control.ping(END);
    await ended;
  } finally {
    monitor.disconnect();
  }
  return Object.fromEntries(Object.entries(calls).map(([name, { sent, all }]) => [name, sent / all]));
}
