import { BadRequestException, type ValidationError } from '@nestjs/common';

/** What is wrong with one field of a request. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

/** A 400 that names the fields: `{ message: ['radius must be ...'], fields: ['radius'] }`. */
export function invalidInput(...problems: readonly FieldProblem[]): BadRequestException {
  return new BadRequestException({
    statusCode: 400,
    error: 'Bad Request',
    message: unique(problems.map(({ message }) => message)),
    fields: unique(problems.map(({ field }) => field)),
  });
}

/** The same 400 for what class-validator found. */
export function invalidFields(errors: readonly ValidationError[]): BadRequestException {
  return invalidInput(
    ...errors.flatMap(({ property, constraints = {} }) =>
      Object.values(constraints).map((message) => ({ field: property, message })),
    ),
  );
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
