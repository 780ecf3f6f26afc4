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

/** What a buyer is told about locks: whom they wait for, and whether to come back. */
@Catch(LockBusyError, LockLostError, FencedWriteRejectedError, LockUnreachableError, LockAbortedError)
export class LockErrorsFilter extends BaseExceptionFilter {
  override catch(cause: Error, host: ArgumentsHost): void {
    super.catch(asHttpException(cause), host);
  }
}

function asHttpException(cause: Error): HttpException {
  if (cause instanceof LockBusyError) {
    return new ConflictException('Somebody else is at this seat. Try again soon.', { cause });
  }
  if (cause instanceof LockUnreachableError || cause instanceof LockAbortedError) {
    return new ServiceUnavailableException('Seats cannot be booked for now. Try again soon.', { cause });
  }
  return new ConflictException('It took too long, and others may have this seat. Nothing was changed. Try again.', {
    cause,
  });
}
