import type { Type } from '@nestjs/common';
import type { StandardSchema } from '@nuthatch/cache';
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';

/** A class with the decorators of class-validator as a Standard Schema. Zod, Valibot and ArkType have schemas of this kind. */
export function classSchema<T extends object>(type: Type<T>): StandardSchema<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'class-validator',
      validate: async (value) => {
        if (typeof value !== 'object' || value === null) return { issues: [{ message: `must be a ${type.name}` }] };
        const errors = await validate(plainToInstance(type, value) as object);
        const issues = errors.flatMap(({ property, constraints = {} }) =>
          Object.values(constraints).map((message) => ({ path: [property], message })),
        );
        return issues.length > 0 ? { issues } : { value: value as T };
      },
    },
  };
}
