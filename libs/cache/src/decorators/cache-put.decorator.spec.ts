import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, RedisUnreachableError, ServiceNotInjectedError } from '@nuthatch/redis';
import { CachePut, type CachePutOptions } from './cache-put.decorator.js';
import { CacheKeyError, CacheOptionsError, CacheValueError } from '../cache.errors.js';
import { CacheModule } from '../cache.module.js';
import { CacheService } from '../cache.service.js';
import { Cacheable } from './cacheable.decorator.js';

interface User {
  readonly id: number;
  readonly name: string;
}

@Injectable()
class Users {
  readonly names = new Map([[1, 'Ada']]);
  runs = 0;

  @Cacheable<Users['find']>({ key: (id) => ['user', id] })
  async find(id: number): Promise<User> {
    this.runs += 1;
    return { id, name: this.names.get(id) ?? 'nobody' };
  }

  @CachePut<Users['rename']>({ key: ({ id }) => ['user', id], tags: ({ id }) => [`user:${id}`, 'users'] })
  async rename(user: { id: number; name: string }): Promise<User> {
    this.runs += 1;
    const renamed = { ...user };
    this.names.set(user.id, user.name);
    user.id = -1;
    return renamed;
  }

  @CachePut<Users['create']>({
    resultKey: (user) => ['user', user.id],
    resultTags: (user, name) => [`user:${user.id}`, `name:${name}`],
    ttl: '1h',
  })
  async create(name: string): Promise<User> {
    const id = this.names.size + 1;
    this.names.set(id, name);
    return { id, name };
  }

  @CachePut<Users['leave']>({ key: (id) => ['user', id] })
  async leave(id: number): Promise<User | undefined> {
    this.names.delete(id);
    return undefined;
  }

  @CachePut({ key: ['user', 1] })
  async fail(): Promise<User> {
    throw new RangeError('constraint violated');
  }

  @CachePut<Users['setName']>({
    keyPrefix: 'v2',
    key: 'name',
    condition: (name) => name !== 'temporary',
    unless: (stored, name) => stored === 'secret' || name === 'unlisted',
  })
  async setName(name: string): Promise<string> {
    this.runs += 1;
    return name;
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

describe('A method that puts', () => {
  it('runs each time, and what it returns is what the cache then holds', async () => {
    await users.find(1);

    expect(await users.rename({ id: 1, name: 'Grace' })).toEqual({ id: 1, name: 'Grace' });
    expect(await users.rename({ id: 1, name: 'Joan' })).toEqual({ id: 1, name: 'Joan' });

    expect(await users.find(1)).toEqual({ id: 1, name: 'Joan' });
    expect(users.runs).toBe(3);
  });

  it('makes its key and its tags before it runs, because it may change its arguments', async () => {
    await users.rename({ id: 1, name: 'Grace' });
    expect(await cache.has('user:-1')).toBe(false);

    await cache.invalidateTags('user:-1');
    expect(await cache.get('user:1')).toEqual({ id: 1, name: 'Grace' });
    await cache.invalidateTags('user:1');

    expect(await cache.has('user:1')).toBe(false);
  });

  it('that creates makes its key and its tags of what it has created', async () => {
    await users.create('Grace');

    expect(await cache.get('user:2')).toEqual({ id: 2, name: 'Grace' });
    await cache.invalidateTags('name:Grace');
    expect(await cache.has('user:2')).toBe(false);
  });

  it('removes the entry when it returns undefined', async () => {
    await users.find(1);

    await users.leave(1);

    expect(await cache.has('user:1')).toBe(false);
  });

  it('changes nothing when it fails', async () => {
    await users.find(1);

    await expect(users.fail()).rejects.toThrow(new RangeError('constraint violated'));

    expect(await cache.get('user:1')).toEqual({ id: 1, name: 'Ada' });
  });

  it('leaves the cache alone when its condition is false, or unless the result is to be stored', async () => {
    await users.setName('Ada');

    expect(await users.setName('temporary')).toBe('temporary');
    expect(await users.setName('secret')).toBe('secret');
    expect(await users.setName('unlisted')).toBe('unlisted');

    expect(users.runs).toBe(4);
    expect(await cache.get('v2:name')).toBe('Ada');
  });

  it('passes the options of the entry on', async () => {
    const set = jest.spyOn(cache, 'set');

    await users.create('Grace');

    expect(set).toHaveBeenCalledWith(
      ['user', 2],
      { id: 2, name: 'Grace' },
      { ttl: '1h', tags: ['user:2', 'name:Grace'] },
    );
  });

  it('wins over a load that began before it', async () => {
    let finish: ((user: User) => void) | undefined;
    const stale = new Promise<User>((resolve) => (finish = resolve));
    let begun: (() => void) | undefined;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const load = cache.getOrSet<User>('user:1', () => (begun!(), stale));
    await beginning;

    await users.rename({ id: 1, name: 'Grace' });
    finish!({ id: 1, name: 'Ada' });
    await load;

    expect(await users.find(1)).toEqual({ id: 1, name: 'Grace' });
  });

  it('does not run when its key, a tag or an option cannot be used', async () => {
    @Injectable()
    class Wrong {
      runs = 0;

      @CachePut({ key: () => '' })
      async emptyKey(): Promise<number> {
        return ++this.runs;
      }

      @CachePut({ key: 'a', tags: () => [''] })
      async emptyTag(): Promise<number> {
        return ++this.runs;
      }

      @CachePut({ key: 'a', ttl: 60 as unknown as '60s' })
      async noUnit(): Promise<number> {
        return ++this.runs;
      }

      @CachePut({ key: 'a', resultKeys: 1 } as CachePutOptions<Wrong['unknown']>)
      async unknown(): Promise<number> {
        return ++this.runs;
      }
    }
    const module = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), CacheModule.forRoot()],
      providers: [Wrong],
    }).compile();
    const wrong = module.get(Wrong);

    const calls = [wrong.emptyKey(), wrong.emptyTag(), wrong.noUnit(), wrong.unknown()];
    const outcomes = await Promise.allSettled(calls);
    await module.close();

    expect(outcomes).toMatchObject([
      { reason: { message: expect.stringContaining('Segment 1 of a key is empty') } },
      { reason: { name: CacheKeyError.name, message: expect.stringContaining('Tag 1 is empty') } },
      { reason: { name: CacheOptionsError.name, message: expect.stringContaining("Write the unit: '60ms'") } },
      { reason: { name: CacheOptionsError.name, message: expect.stringContaining('resultKeys is not an option') } },
    ]);
    expect(wrong.runs).toBe(0);
  });

  it('rejects when what it returns cannot be cached', async () => {
    jest.spyOn(users.names, 'set');
    @Injectable()
    class Sockets {
      @CachePut({ key: 'socket' })
      async open(): Promise<unknown> {
        return () => undefined;
      }
    }
    const module = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), CacheModule.forRoot()],
      providers: [Sockets],
    }).compile();

    await expect(module.get(Sockets).open()).rejects.toThrow(CacheValueError);
    await module.close();
  });

  it('tells when the cache may hold the old value, though it has run', async () => {
    const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');
    jest.spyOn(cache, 'set').mockRejectedValue(away);

    await expect(users.rename({ id: 1, name: 'Grace' })).rejects.toBe(away);

    expect(users.names.get(1)).toBe('Grace');
  });

  it('on an object that Nest did not create rejects without running', async () => {
    const alone = new Users();

    await expect(alone.create('Grace')).rejects.toThrow(ServiceNotInjectedError);

    expect(alone.names.size).toBe(1);
  });
});

describe('@CachePut()', () => {
  it('needs one key, and refuses a constant that cannot be one', () => {
    const two = { key: 'a', resultKey: () => 'b' } as unknown as CachePutOptions<Users['create']>;

    // @ts-expect-error it needs a key
    expect(() => CachePut<Users['create']>({ ttl: '1h' })).toThrow(
      '@CachePut() has neither "key" nor "resultKey". Give one of them.',
    );
    expect(() => CachePut(two)).toThrow('@CachePut() has both "key" and "resultKey". Give one of them.');
    expect(() => CachePut({ key: 'a::b' })).toThrow(CacheOptionsError);
  });

  it('gets the types of its options from the method', () => {
    class Accounts {
      // @ts-expect-error the id is a number
      @CachePut<Accounts['save']>({ key: (id: string) => ['account', id] })
      // @ts-expect-error the result is a text
      @CachePut<Accounts['save']>({ resultKey: (saved: number) => ['account', saved] })
      @CachePut<Accounts['save']>({ resultKey: (saved, id) => ['account', saved.length, id.toFixed()] })
      async save(id: number): Promise<string> {
        return `account ${id}`;
      }
    }

    expect(new Accounts()).toBeInstanceOf(Accounts);
  });
});
