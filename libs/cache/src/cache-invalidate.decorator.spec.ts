import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, RedisUnreachableError, ServiceNotInjectedError } from '@nuthatch/redis';
import { CacheInvalidate } from './cache-invalidate.decorator.js';
import { CacheModule } from './cache.module.js';
import { CacheService } from './cache.service.js';
import { Cacheable } from './cacheable.decorator.js';

interface User {
  id: number;
  name: string;
}

@Injectable()
class Users {
  readonly names = new Map([[1, 'Ada']]);

  @Cacheable<Users['find']>({ key: (id) => ['user', id] })
  async find(id: number): Promise<User> {
    return { id, name: this.names.get(id) ?? 'nobody' };
  }

  @CacheInvalidate<Users['rename']>({ keys: (id) => [['user', id], 'users'] })
  async rename(id: number, name: string): Promise<string> {
    this.names.set(id, name);
    return `renamed to ${name}`;
  }

  @CacheInvalidate<Users['remove']>({ keys: (user) => [['user', user.id]] })
  async remove(user: User): Promise<void> {
    this.names.delete(user.id);
    user.id = -1;
  }

  @CacheInvalidate({ keys: ['users', ['user', 1]] })
  async fail(): Promise<void> {
    throw new RangeError('constraint violated');
  }

  @SetMetadata('above', 'a')
  @CacheInvalidate({ keys: ['users'] })
  @SetMetadata('below', 'b')
  async clear(): Promise<void> {
    this.names.clear();
  }

  @CacheInvalidate({
    keys: () => {
      throw new TypeError('no such property');
    },
  })
  async withWrongKeys(): Promise<void> {
    this.names.clear();
  }

  async renameTwice(id: number, first: string, second: string): Promise<void> {
    await this.rename(id, first);
    await this.find(id);
    await this.rename(id, second);
  }
}

let app: TestingModule;
let users: Users;
let cache: CacheService;

beforeEach(async () => {
  app = await Test.createTestingModule({
    imports: [RedisModule.forRoot(), CacheModule.forRoot()],
    providers: [Users],
  }).compile();
  await app.init();
  users = app.get(Users);
  cache = app.get(CacheService);
});

afterEach(() => app.close());

describe('A method that invalidates', () => {
  it('removes its keys once it has succeeded, and returns what it returns', async () => {
    await users.find(1);
    await cache.set('users', [1]);

    expect(await users.rename(1, 'Grace')).toBe('renamed to Grace');

    expect(await cache.has('users')).toBe(false);
    expect(await users.find(1)).toEqual({ id: 1, name: 'Grace' });
  });

  it('leaves other keys alone', async () => {
    await users.find(2);

    await users.rename(1, 'Grace');

    expect(await cache.has('user:2')).toBe(true);
  });

  it('removes nothing when it fails', async () => {
    await users.find(1);
    await cache.set('users', [1]);

    await expect(users.fail()).rejects.toThrow(new RangeError('constraint violated'));

    expect(await cache.has('user:1')).toBe(true);
    expect(await cache.has('users')).toBe(true);
  });

  it('removes fixed keys', async () => {
    await cache.set('users', [1]);

    await users.clear();

    expect(await cache.has('users')).toBe(false);
  });

  it('makes its keys before it runs, because it may change its arguments', async () => {
    await users.find(1);

    await users.remove({ id: 1, name: 'Ada' });

    expect(await users.find(1)).toEqual({ id: 1, name: 'nobody' });
  });

  it('does not run when its keys cannot be made', async () => {
    await expect(users.withWrongKeys()).rejects.toThrow(new TypeError('no such property'));

    expect(users.names.size).toBe(1);
  });

  it('wins over a load that began before it', async () => {
    let finish: ((user: User) => void) | undefined;
    let begun: (() => void) | undefined;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const stale = cache.getOrSet<User>('user:1', () => {
      begun!();
      return new Promise((resolve) => (finish = resolve));
    });
    await beginning;

    await users.rename(1, 'Grace');
    finish!({ id: 1, name: 'Ada' });
    await stale;

    expect(await users.find(1)).toEqual({ id: 1, name: 'Grace' });
  });

  it('works when its own class calls it', async () => {
    await users.renameTwice(1, 'Grace', 'Joan');

    expect(await users.find(1)).toEqual({ id: 1, name: 'Joan' });
  });

  it('keeps the metadata of other decorators', () => {
    const reflector = new Reflector();

    expect(reflector.get('above', Users.prototype.clear)).toBe('a');
    expect(reflector.get('below', Users.prototype.clear)).toBe('b');
  });

  it('tells when the keys may still be there, though it has run', async () => {
    const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');
    jest.spyOn(cache, 'delete').mockRejectedValue(away);

    await expect(users.rename(1, 'Grace')).rejects.toBe(away);

    expect(users.names.get(1)).toBe('Grace');
  });

  it('on an object that Nest did not create rejects without running', async () => {
    const alone = new Users();

    await expect(alone.rename(1, 'Grace')).rejects.toThrow(ServiceNotInjectedError);

    expect(alone.names.get(1)).toBe('Ada');
  });
});
