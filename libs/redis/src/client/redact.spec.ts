import { describe, expect, it } from '@jest/globals';
import { printableAddress, redact } from './redact.js';

const everythingIn = (error: Error): string =>
  [error.message, error.stack, JSON.stringify(Object.assign({}, error))].join();

describe('An error of ioredis', () => {
  it('loses the values of its command and keeps its name', () => {
    const error = Object.assign(new Error('WRONGTYPE Operation'), {
      command: { name: 'set', args: ['key', 's3cret'] },
    });

    expect(redact(error)).toBe(error);

    expect(error.command).toEqual({ name: 'set' });
    expect(error.message).toBe('WRONGTYPE Operation');
    expect(everythingIn(error)).not.toContain('s3cret');
  });

  it.each([
    "ERR unknown command 'GETT', with args beginning with: 'user' 's3cret' ",
    'ERR unknown command `GETT`, with args beginning with: `s3cret`, ',
    "ERR unknown subcommand 'FOO' with args beginning with: 's3cret'",
  ])('loses the values that the server repeats: %s', (message) => {
    const error = new Error(message);

    redact(error);

    expect(error.message).toMatch(/^ERR unknown (command ['`]GETT['`]|subcommand 'FOO')$/);
    expect(everythingIn(error)).not.toContain('s3cret');
  });

  it('keeps its class and its name', () => {
    class ReplyError extends Error {
      override readonly name = 'ReplyError';
    }
    const error = new ReplyError("ERR unknown command 'X', with args beginning with: 's3cret'");

    expect(redact(error)).toBeInstanceOf(ReplyError);
    expect(error.stack).toBe("ReplyError: ERR unknown command 'X'");
  });

  it('may be no error at all', () => {
    expect(redact('closed')).toBe('closed');
    expect(redact(undefined)).toBeUndefined();
  });
});

describe('An address that is printed', () => {
  it.each([
    ['redis://user:s3cret@host:6380/2?password=s3cret', 'redis://host:6380/2'],
    ['rediss://:s3cret@[::1]:6380', 'rediss://[::1]:6380'],
    ['unix:///run/redis.sock?password=s3cret', 'unix:///run/redis.sock'],
    ['s3cret@host', '(not a URL)'],
  ])('of %s has no credentials', (url, printed) => {
    expect(printableAddress(url)).toBe(printed);
  });
});
