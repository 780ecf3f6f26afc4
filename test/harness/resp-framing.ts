/** Where a whole top-level value ends in the chunk, and whether it answers a command; a RESP3 push does not. */
export interface FrameEnd {
  readonly end: number;
  readonly isReply: boolean;
}

const newline = 0x0a;

/** Finds the ends of RESP2 and RESP3 values in a stream, however it is cut into chunks, without holding any of it. */
export class RespFraming {
  #header = '';
  /** Bytes of a blob and its CRLF that are still to come. */
  #blobBytes = 0;
  /** Values that are still to come, per open aggregate, outermost first. */
  readonly #open: number[] = [];
  #isReply = true;
  #foreign = false;

  /** True once something came that is not RESP, such as TLS. Ends are not found from then on. */
  get foreign(): boolean {
    return this.#foreign;
  }

  push(chunk: Buffer): FrameEnd[] {
    const ends: FrameEnd[] = [];
    let at = 0;
    while (at < chunk.length && !this.#foreign) {
      const whole = this.#blobBytes > 0 ? this.#skipBlob(chunk.length - at) : this.#readHeader(chunk, at);
      at += whole.length;
      if (whole.valueEnded && this.#closeAggregates()) ends.push({ end: at, isReply: this.#isReply });
    }
    return ends;
  }

  #skipBlob(available: number): { length: number; valueEnded: boolean } {
    const length = Math.min(this.#blobBytes, available);
    this.#blobBytes -= length;
    return { length, valueEnded: this.#blobBytes === 0 };
  }

  #readHeader(chunk: Buffer, at: number): { length: number; valueEnded: boolean } {
    const lineEnd = chunk.indexOf(newline, at);
    const stop = lineEnd === -1 ? chunk.length : lineEnd + 1;
    this.#header += chunk.toString('latin1', at, stop);
    if (!'+-:_#,($!=*~>%|'.includes(this.#header[0] ?? '')) this.#foreign = true;
    if (lineEnd === -1 || this.#foreign) return { length: stop - at, valueEnded: false };
    const header = this.#header;
    this.#header = '';
    return { length: stop - at, valueEnded: this.#beginValue(header[0] ?? '', Number(header.slice(1, -2))) };
  }

  /** Returns whether the header is all of the value. */
  #beginValue(type: string, size: number): boolean {
    if (this.#open.length === 0) this.#isReply = type !== '>';
    if ('$!='.includes(type) && size >= 0) this.#blobBytes = size + '\r\n'.length;
    const members = '*~>'.includes(type) ? size : type === '%' ? size * 2 : 0;
    // An attribute is not a value of its own: it belongs to the one that follows.
    if (type === '|') this.#open.push(size * 2 + 1);
    else if (members > 0) this.#open.push(members);
    else return this.#blobBytes === 0;
    return false;
  }

  /** Counts the ended value in the aggregates around it; returns whether the outermost one is complete too. */
  #closeAggregates(): boolean {
    for (let left = this.#open.pop(); left !== undefined; left = this.#open.pop()) {
      if (left > 1) {
        this.#open.push(left - 1);
        return false;
      }
    }
    return true;
  }
}
