import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { Get, type ExecutionContext, type Type } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { fixedWindow } from '../policies/policy.js';
import { PolicyBook } from '../policies/policy-book.js';
import { RateLimitOptionsError } from '../rate-limit.errors.js';
import { RateLimit } from './rate-limit.decorator.js';
import { Routes } from './routes.js';

class Users {
  @Get() @RateLimit('one') list(): string {
    return '';
  }
}

class Wrong {
  @Get() @RateLimit('none') list(): string {
    return '';
  }
}

function started() {
  const modules = new Map<string, unknown>();
  const book = new PolicyBook('local');
  book.add('one', fixedWindow({ limit: 1, per: '1m' }), 'policies', []);
  const routes = new Routes(book, modules as unknown as ModulesContainer, new MetadataScanner());
  routes.onModuleInit();
  const load = (...types: Type[]): void => {
    const controllers = new Map(types.map((type) => [type, { instance: new type(), metatype: type }]));
    modules.set('Lazy', { name: 'Lazy', controllers, providers: new Map() });
  };
  const of = (type: Type, handler: object = (type.prototype as Users).list) =>
    routes.of({ getClass: () => type, getHandler: () => handler } as unknown as ExecutionContext);
  return { load, of };
}

describe('A class that is loaded late', () => {
  it('has the policies of its decorators', () => {
    const { load, of } = started();
    load(Users);

    expect(of(Users)).toMatchObject({ endpoint: 'Lazy/Users.list', policies: [{ policy: { name: 'one' } }] });
  });

  it('is refused each time when a decorator is wrong, and no other class with it', () => {
    const { load, of } = started();
    load(Wrong, Users);

    for (let call = 0; call < 3; call++) {
      expect(() => of(Wrong)).toThrow(RateLimitOptionsError);
      expect(() => of(Wrong)).toThrow(/on Lazy\/Wrong\.list\(\) names "none"/);
    }
    expect(of(Users).policies).toHaveLength(1);
  });
});

describe('A handler that a constructor makes', () => {
  it('is the route of the method that it binds', () => {
    const { load, of } = started();
    load(Users);
    const route = of(Users);

    for (let call = 0; call < 3; call++) expect(of(Users, Users.prototype.list.bind(new Users()))).toBe(route);
  });

  it.each([
    ['a class of a module', [Users]],
    ['a class that no module has', []],
  ])('is forgotten with its object, of %s', async (_, loaded) => {
    const { load, of } = started();
    load(...loaded);
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const made = Array.from({ length: 10 }, () => {
      const handler = Users.prototype.list.bind(new Users());
      of(Users, handler);
      return new WeakRef(handler);
    });

    // What a WeakRef was asked for stays until the end of the turn.
    await new Promise((resolve) => setImmediate(resolve));
    gc();

    expect(made.filter((handler) => handler.deref() !== undefined).length).toBeLessThan(10);
  });
});
