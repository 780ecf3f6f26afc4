import { describe, expect, it } from '@jest/globals';
import { trackingRefusal } from './tracking-refusal.js';

const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });

describe('An error on the way to tracking', () => {
  it.each([
    "ERR unknown command 'CLIENT'",
    "ERR Unknown subcommand or wrong number of arguments for 'TRACKING'. Try CLIENT HELP.",
    "NOPERM this user has no permissions to run the 'client|tracking' command",
    'NOPERM No permissions to access a channel',
    'invalid request',
  ])('is a refusal: %s', (message) => {
    expect(trackingRefusal(reply(message))).toBe(message);
  });

  it.each([
    'LOADING Redis is loading the dataset in memory',
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'MASTERDOWN Link with MASTER is down',
    'NOAUTH Authentication required.',
    'ERR max number of clients reached',
    'ERR The client ID you want redirect to does not exist',
  ])('is none, because the server may agree later: %s', (message) => {
    expect(trackingRefusal(reply(message))).toBeUndefined();
  });

  it('is none when it is not of the server', () => {
    expect(trackingRefusal(new Error('Connection is closed.'))).toBeUndefined();
    expect(trackingRefusal('gone')).toBeUndefined();
  });

  it('is told in its first words', () => {
    expect(trackingRefusal(reply(`ERR ${'x'.repeat(500)}`))).toHaveLength(120);
  });
});
