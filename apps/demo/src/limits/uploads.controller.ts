import type { IncomingMessage } from 'node:http';
import {
  BadRequestException,
  Controller,
  PayloadTooLargeException,
  Post,
  Req,
  UnsupportedMediaTypeException,
  UseGuards,
} from '@nestjs/common';
import { RateLimit } from '@nuthatch/rate-limit';
import { UPLOAD_TYPE } from '../http/accept-uploads.js';
import { LoggedInGuard } from '../login/logged-in.guard.js';

type RequestOfEither = IncomingMessage | { readonly raw: IncomingMessage };

const MOST_BYTES = 10_000_000;

@Controller('uploads')
@UseGuards(LoggedInGuard)
export class UploadsController {
  /** Counts the bytes as they come, and keeps none. The place of the upload is kept until the response is out. */
  @Post()
  @RateLimit('upload', 'uploadsAtOnce')
  async receive(@Req() request: RequestOfEither): Promise<{ readonly bytes: number }> {
    const body = 'raw' in request ? request.raw : request;
    if (body.headers['content-type'] !== UPLOAD_TYPE) {
      throw new UnsupportedMediaTypeException(`Send the file as it is, as ${UPLOAD_TYPE}.`);
    }
    return { bytes: await lengthOf(body) };
  }
}

async function lengthOf(body: IncomingMessage): Promise<number> {
  let bytes = 0;
  try {
    // To the end also of what is too large, as an answer before it may be lost with the connection.
    for await (const chunk of body) bytes += (chunk as Buffer).length;
  } catch (cause) {
    throw new BadRequestException('The upload broke off.', { cause });
  }
  if (bytes > MOST_BYTES) throw new PayloadTooLargeException(`An upload has ${MOST_BYTES} bytes at most.`);
  return bytes;
}
