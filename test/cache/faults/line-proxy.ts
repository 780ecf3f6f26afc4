import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../harness/index.js';

/**
 * A proxy that tells the line of reports of a process from its line of commands, so that one can fail without the other.
 * Nothing of a line is ever reordered.
 */
export class LineProxy {
  readonly host = '127.0.0.1';
  /** How long a reply to a command is held back, in milliseconds. */
  replyDelayMs = 0;
  /** Whether everything on lines of reports is lost from now on, both ways; those lines are of no more use then. */
  losesReports = false;
  readonly #lines = new Set<Line>();
  #holdsReports = false;

  static async start(target: Address): Promise<LineProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new LineProxy(server.unref(), target);
  }

  private constructor(
    private readonly server: Server,
    target: Address,
  ) {
    server.on('connection', (client) => {
      const line = new Line(client, connect(target.port, target.host), this);
      this.#lines.add(line);
      client.on('close', () => this.#lines.delete(line));
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }

  get holdsReports(): boolean {
    return this.#holdsReports;
  }

  /** Reports are kept here until they are let go. */
  holdReports(): void {
    this.#holdsReports = true;
  }

  releaseReports(): void {
    this.#holdsReports = false;
    for (const line of this.#lines) line.flush();
  }

  /** Ends the lines of reports by a reset. */
  cutReports(): void {
    for (const line of this.#lines) if (line.reports) line.end();
  }

  stop(): void {
    for (const line of this.#lines) line.end();
    this.server.close();
  }
}

class Line {
  reports = false;
  #held: Buffer[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly rules: LineProxy,
  ) {
    client.setNoDelay(true).on('data', (bytes) => {
      this.reports ||= bytes.includes('TRACKING');
      if (!this.#lost) server.write(bytes);
    });
    server.setNoDelay(true).on('data', (bytes) => {
      if (!this.#lost) this.#reply(bytes);
    });
    client.on('error', () => this.end()).on('close', () => this.end());
    server.on('error', () => this.end()).on('close', () => this.end());
  }

  flush(): void {
    this.client.write(Buffer.concat(this.#held.splice(0)));
  }

  end(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }

  get #lost(): boolean {
    return this.reports && this.rules.losesReports;
  }

  #reply(bytes: Buffer): void {
    if (this.reports && this.rules.holdsReports) this.#held.push(bytes);
    else if (this.reports || this.rules.replyDelayMs === 0) this.client.write(bytes);
    else {
      const due = sleep(this.rules.replyDelayMs);
      this.#last = this.#last.then(() => due).then(() => this.client.write(bytes));
    }
  }
}
