import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { RespFraming } from './resp-framing.js';

const replies = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':42\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '*0\r\n',
  '$0\r\n\r\n',
  '$9\r\nnot\r\n+OK\n\r\n',
  '*3\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n+x\r\n',
  '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#t\r\n',
  '~2\r\n,1.5\r\n(12345\r\n',
  '=7\r\ntxt:abc\r\n',
  '!5\r\nERR x\r\n',
  '|1\r\n+ttl\r\n:3\r\n$2\r\nhi\r\n',
];
const pushes = ['>2\r\n+message\r\n$2\r\nhi\r\n', '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n'];

describe('RESP framing', () => {
  it('finds every value, however the stream is cut', () => {
    const frames = fc.array(fc.constantFrom(...replies, ...pushes), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sent, sizes) => {
        const stream = Buffer.from(sent.join(''));
        const framing = new RespFraming();
        const found: { text: string; isReply: boolean }[] = [];
        let start = 0;
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          for (const { end, isReply } of framing.push(stream.subarray(at, at + size))) {
            found.push({ text: stream.toString('latin1', start, at + end), isReply });
            start = at + end;
          }
          at += size;
        }
        expect(found).toEqual(sent.map((text) => ({ text, isReply: !text.startsWith('>') })));
      }),
    );
  });

  it('gives up on what is not RESP', () => {
    const framing = new RespFraming();
    expect(framing.push(Buffer.from([0x16, 0x03, 0x01]))).toEqual([]);
    expect(framing.foreign).toBe(true);
  });
});
