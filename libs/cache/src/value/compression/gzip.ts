import { promisify } from 'node:util';
import { gunzip, gunzipSync, gzip as deflate, gzipSync } from 'node:zlib';
import type { Compression } from './compression.js';

export const gzip: Compression = {
  field: 'gz',
  deflateSync: (bytes) => gzipSync(bytes),
  deflate: promisify<Buffer, Buffer>(deflate),
  inflateSync: gunzipSync,
  inflate: promisify(gunzip),
};
