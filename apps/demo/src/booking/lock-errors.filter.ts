import {
  Catch,
  ConflictException,
  ServiceUnavailableException,
  type ArgumentsHost,
  type HttpException,
} from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import {
  FencedWriteRejectedError,
  LockAbortedError,
  LockBusyError,
  LockLostError,
  LockUnreachableError,
} from '@nuthatch/lock';
import type { SeatParams } from './booking.dto.js';

/** What a buyer is told about locks: whom they wait for, whether to come back, and where to look first. */
@Catch(LockBusyError, LockLostError, FencedWriteRejectedError, LockUnreachableError, LockAbortedError)
export class LockErrorsFilter extends BaseExceptionFilter {
  override catch(cause: Error, host: ArgumentsHost): void {
    super.catch(asHttpException(cause, host), host);
  }
}

function asHttpException(cause: Error, host: ArgumentsHost): HttpException {
  if (cause instanceof LockBusyError) {
    return new ConflictException('Somebody else is at this seat. Try again soon.', { cause });
  }
  if (cause instanceof LockUnreachableError || cause instanceof LockAbortedError) {
    return new ServiceUnavailableException('Seats cannot be booked for now. Try again soon.', { cause });
  }
  if (cause instanceof FencedWriteRejectedError) {
    return new ConflictException('It took too long, and another has been at this seat. Try again.', { cause });
  }
  // A lock may be lost before what it guards is stored, and also after.
  const { id } = host.switchToHttp().getRequest<{ readonly params: SeatParams }>().params;
  return new ConflictException(
    'It took too long, and others may have this seat. Whether you have it is not certain: ' +
      `look at your seats with GET /events/${id}/seats/mine before you try again.`,
    { cause },
  );
}
