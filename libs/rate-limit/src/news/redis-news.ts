import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Heartbeat, type ServerConnection } from '@nuthatch/redis/internal';
import type { LimitNews, NewsListener } from './limit-news.js';
import { NewsListeners } from './news-listeners.js';
import { encodeNews, newsChannel, parseNews, type NewsMessage } from './news-message.js';

const RETRY_MS = 500;
const ECHO_MS = 1_000;

interface Question {
  readonly text: string;
  answer(): void;
  fail(reason: Error): void;
}

/**
 * News over classic pub/sub, which loses without a word what is published while its line is down. So each process also sends
 * itself a message now and then, on a channel of its own and the way that news go: what comes back proves the line.
 */
export class RedisLimitNews implements LimitNews {
  readonly #logger = new Logger('RateLimit');
  readonly #listeners = new NewsListeners();
  readonly #heartbeat: Heartbeat;
  readonly #channel: string;
  readonly #echoes: string;
  readonly #ends: (() => void)[];
  #question: Question | undefined;
  #questions = 0;
  #refused = false;
  #closed = false;

  /** @param root begins every key; all processes that share limits name the same */
  constructor(
    private readonly connection: ServerConnection,
    root: string,
  ) {
    this.#channel = newsChannel(root);
    this.#echoes = `${this.#channel}:${randomUUID()}`;
    this.#heartbeat = new Heartbeat(
      () => this.#ask(),
      () => this.#listeners.setAlive(this.#heartbeat.alive),
    );
    const { subscriber } = connection;
    this.#ends = [
      subscriber.on('gap', () => this.#lose('the subscription was lost')),
      subscriber.on('resumed', () => void this.#heartbeat.beat()),
    ];
    void this.#listen();
  }

  get alive(): boolean {
    return this.#listeners.alive;
  }

  async publish(message: NewsMessage): Promise<void> {
    // At once, and again when all are told: what was asked for in between may be of before.
    this.tell(message);
    try {
      await this.connection.call('publish', [this.#channel, encodeNews(message)], { idempotent: true });
    } finally {
      this.tell(message);
    }
  }

  tell(message: NewsMessage): void {
    this.#listeners.told(message);
  }

  on(listener: NewsListener): () => void {
    return this.#listeners.add(listener);
  }

  close(): void {
    this.#closed = true;
    this.#heartbeat.stop();
    for (const end of this.#ends.splice(0)) end();
    this.#question?.fail(new Error('closed'));
    this.#listeners.end();
  }

  async #listen(): Promise<void> {
    await this.#join(this.#channel, (text) => {
      const message = parseNews(text);
      if (message) this.tell(message);
    });
    // Last: an echo must prove that the news come, too.
    await this.#join(this.#echoes, (text) => {
      if (text.toString() === this.#question?.text) this.#question.answer();
    });
    await this.#heartbeat.beat();
  }

  async #join(channel: string, listener: (text: Buffer) => void): Promise<void> {
    while (!this.#closed) {
      try {
        const leave = await this.connection.subscriber.subscribe(channel, listener);
        const end = (): void => void leave().catch(() => 'the link is gone, and the subscription with it');
        if (this.#closed) end();
        else this.#ends.push(end);
        return;
      } catch (error) {
        this.#warnIfRefused(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
  }

  /** Resolves when all has been told that was published by the time of the call, by the same server. */
  async #ask(): Promise<void> {
    const text = String(++this.#questions);
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>((answer, fail) => {
      this.#question = { text, answer, fail };
      timer = setTimeout(() => fail(new Error('no echo')), ECHO_MS).unref();
    });
    // Both may fail, and one is enough.
    answered.catch(() => undefined);
    try {
      await this.connection.call('publish', [this.#echoes, text], { timeoutMs: ECHO_MS, idempotent: true });
      await answered;
    } catch (error) {
      this.#warnIfRefused(error);
      // In a Cluster another server may get the next question, and answer it.
      this.#heartbeat.lose();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#question = undefined;
    }
  }

  #lose(reason: string): void {
    this.#question?.fail(new Error(reason));
    this.#heartbeat.lose();
  }

  #warnIfRefused(error: unknown): void {
    if (this.#refused || !(error instanceof Error) || !error.message.startsWith('NOPERM')) return;
    this.#refused = true;
    this.#logger.warn(
      `Redis connection "${this.connection.name}" does not let the processes tell each other of resets and overrides: ` +
        `${error.message}. Every denial is asked from Redis, and overrides come late. Allow its user the channels "${this.#channel}*".`,
    );
  }
}
