import type { FastifyAdapter } from '@nestjs/platform-fastify';

/** What a file is sent as. */
export const UPLOAD_TYPE = 'application/octet-stream';

/** Has Fastify hand on the body of a file as a stream. It refuses what it does not know; Express leaves that alone. */
export function acceptUploads(adapter: FastifyAdapter): FastifyAdapter {
  adapter.getInstance().addContentTypeParser(UPLOAD_TYPE, (_request, payload, done) => done(null, payload));
  return adapter;
}
