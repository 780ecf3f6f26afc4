import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Global, Injectable, Module, SetMetadata, type Provider } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, RedisUnreachableError, ServiceNotInjectedError } from '@nuthatch/redis';
import { CacheInvalidate, type CacheInvalidateOptions } from './cache-invalidate.decorator.js';
import { CachePut } from './cache-put.decorator.js';
import { CacheKeyError, CacheOptionsError } from '../cache.errors.js';
import { CacheModule } from '../cache.module.js';
import { CacheService } from '../cache.service.js';
import { Cacheable } from './cacheable.decorator.js';
import { keyPattern } from '../keys/key-pattern.js';
import { CacheTransactions } from './transaction-port.js';

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

  @CacheInvalidate<Users['removeAll']>({ keys: (keys) => keys })
  async removeAll(keys: string[]): Promise<void> {
    this.names.clear();
    keys.length = 0;
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

async function start(...providers: Provider[]): Promise<TestingModule> {
  const module = await Test.createTestingModule({
    imports: [RedisModule.forRoot(), CacheModule.forRoot()],
    providers,
  }).compile();
  return module.init();
}

beforeEach(async () => {
  app = await start(Users);
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
    await users.removeAll(['user:1']);
    expect(await cache.has('user:1')).toBe(false);
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

describe('What a method invalidates', () => {
  @Injectable()
  class Projects {
    runs = 0;

    @CacheInvalidate<Projects['touch']>({ tags: (id) => [`project:${id}`, 'projects'] })
    async touch(_id: number): Promise<void> {}

    @CacheInvalidate({ tags: ['projects'], keys: ['count'], pattern: 'project:1:*' })
    async removeAll(): Promise<void> {}

    @CacheInvalidate<Projects['remove']>({ pattern: (id) => keyPattern`project:${id}:*` })
    async remove(_id: string): Promise<void> {
      this.runs += 1;
    }

    @CacheInvalidate('project:*')
    async reset(): Promise<void> {}

    @CacheInvalidate('project:1:nam?')
    async rename(): Promise<void> {}

    @CacheInvalidate({ tags: () => ['projects', ''] })
    async wrongTag(): Promise<void> {
      this.runs += 1;
    }

    @CacheInvalidate({ pattern: () => '' })
    async wrongPattern(): Promise<void> {
      this.runs += 1;
    }

    @CacheInvalidate({ keys: ['count'] })
    @CachePut({ key: ['project', 1, 'name'] })
    @CacheInvalidate({ tags: ['projects'] })
    async stacked(): Promise<string> {
      this.runs += 1;
      return 'stacked';
    }
  }

  let projects: Projects;

  beforeEach(async () => {
    await app.close();
    app = await start(Projects);
    projects = app.get(Projects);
    cache = app.get(CacheService);
    await cache.set('count', 2);
    await cache.set('project:1:name', 'Ark', { tags: ['project:1'] });
    await cache.set('project:2:name', 'Bee', { tags: ['project:2'] });
    await cache.set('list', ['Ark', 'Bee'], { tags: ['projects'] });
  });

  const left = async (): Promise<unknown[]> => [
    ...(await cache.getMany(['count', 'project:1:name', 'project:2:name', 'list'])).keys(),
  ];

  it('may be told by tags', async () => {
    await projects.touch(1);

    expect(await left()).toEqual(['count', 'project:2:name']);
  });

  it('may be told by a pattern, in which an argument means only itself', async () => {
    const odd = ['project', '*:[a] %', 'name'];
    await cache.set(odd, 'Odd');

    await projects.remove('*');
    expect(await left()).toHaveLength(4);
    await projects.remove('2');
    expect(await left()).toEqual(['count', 'project:1:name', 'list']);
    expect(await cache.has(odd)).toBe(true);
    await projects.remove('*:[a] %');

    expect(await cache.has(odd)).toBe(false);
  });

  it('may be told by keys, tags and a pattern at once', async () => {
    await projects.removeAll();

    expect(await left()).toEqual(['project:2:name']);
  });

  it('is all over when the call is, also when a part of it fails', async () => {
    const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');
    let finish: (() => void) | undefined;
    jest.spyOn(cache, 'delete').mockRejectedValue(away);
    jest.spyOn(cache, 'invalidateTags').mockReturnValue(new Promise<void>((resolve) => (finish = resolve)));
    let settled = false;

    const call = projects.removeAll().finally(() => (settled = true));
    await new Promise(setImmediate);
    expect(settled).toBe(false);
    finish!();

    await expect(call).rejects.toBe(away);
    expect(await left()).toEqual(['count', 'project:2:name', 'list']);
  });

  it('may be one text, which is a pattern if there is a * in it, and else a key', async () => {
    await cache.set('project:1:nam?', 'a name');
    await projects.rename();
    expect(await cache.has('project:1:nam?')).toBe(false);
    expect(await left()).toEqual(['count', 'project:1:name', 'project:2:name', 'list']);

    await projects.reset();

    expect(await left()).toEqual(['count', 'list']);
  });

  it('may be told by several decorators, also beside one that puts', async () => {
    expect(await projects.stacked()).toBe('stacked');

    expect(projects.runs).toBe(1);
    expect(await left()).toEqual(['project:1:name', 'project:2:name']);
    expect(await cache.get('project:1:name')).toBe('stacked');
  });

  it('keeps the method from running when it cannot be used', async () => {
    await expect(projects.wrongTag()).rejects.toThrow(CacheKeyError);
    await expect(projects.wrongPattern()).rejects.toThrow(CacheKeyError);
    await expect(projects.remove('')).rejects.toThrow('Segment 1 of a key is empty');

    expect(projects.runs).toBe(0);
    expect(await left()).toHaveLength(4);
  });

  it('must be something, and of constants only what can be used', () => {
    const wrong = (options: unknown) => () => CacheInvalidate(options as CacheInvalidateOptions<Projects['touch']>);

    expect(wrong({})).toThrow('@CacheInvalidate() has none of "keys", "tags" and "pattern". Give at least one.');
    expect(wrong({ key: 'a' })).toThrow(/@CacheInvalidate\(\)\.key is not an option[^]*has none of/);
    expect(wrong({ keys: ['a'], when: 'later' })).toThrow(
      /@CacheInvalidate\(\)\.when is "later"\. Use one of 'before'/,
    );
    expect(wrong({ keys: ['a', ''] })).toThrow('Segment 1 of a key is empty');
    expect(wrong({ tags: [7] })).toThrow('Tag 1 is of type number');
    expect(wrong('')).toThrow(CacheOptionsError);
  });

  it('gets its types from the method', () => {
    class Typed {
      // @ts-expect-error the id is a number
      @CacheInvalidate<Typed['save']>({ keys: (id: string) => [id] })
      // @ts-expect-error a tag is a string
      @CacheInvalidate<Typed['save']>({ tags: (id) => [id] })
      @CacheInvalidate<Typed['save']>({ pattern: (id) => keyPattern`${id.toFixed()}:*` })
      async save(_id: number): Promise<void> {}
    }

    expect(new Typed()).toBeInstanceOf(Typed);
  });
});

describe('A method that invalidates before it runs', () => {
  @Injectable()
  class Users {
    present: boolean | undefined;

    constructor(private readonly cache: CacheService) {}

    @CacheInvalidate({ keys: ['user:1'], when: 'before' })
    async fail(): Promise<void> {
      this.present = await this.cache.has('user:1');
      throw new RangeError('constraint violated');
    }
  }

  it('finds the entry gone, which stays so when it fails', async () => {
    await app.close();
    app = await start(Users);
    cache = app.get(CacheService);
    await cache.set('user:1', 'Ada');

    await expect(app.get(Users).fail()).rejects.toThrow(new RangeError('constraint violated'));

    expect(app.get(Users).present).toBe(false);
    expect(await cache.has('user:1')).toBe(false);
  });

  it('does not run when that fails', async () => {
    await app.close();
    app = await start(Users);
    const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');
    jest.spyOn(app.get(CacheService), 'delete').mockRejectedValue(away);

    await expect(app.get(Users).fail()).rejects.toBe(away);

    expect(app.get(Users).present).toBe(undefined);
  });
});

describe('A method that invalidates after the commit', () => {
  /** One transaction at a time, which is enough for a spec. */
  @Injectable()
  class Transactions extends CacheTransactions {
    #tasks: (() => Promise<void>)[] | undefined;

    begin(): void {
      this.#tasks = [];
    }

    async commit(): Promise<void> {
      const tasks = this.#tasks ?? [];
      this.rollBack();
      for (const task of tasks) await task();
    }

    rollBack(): void {
      this.#tasks = undefined;
    }

    override afterCommit(task: () => Promise<void>): boolean {
      this.#tasks?.push(task);
      return this.#tasks !== undefined;
    }
  }

  @Injectable()
  class Accounts {
    @CacheInvalidate<Accounts['pay']>({ keys: (account) => [['account', account.id]], when: 'after-commit' })
    async pay(account: { id: number }): Promise<string> {
      account.id = -1;
      return 'paid';
    }

    @CacheInvalidate({ keys: ['account:1'], when: 'after-commit' })
    async fail(): Promise<void> {
      throw new RangeError('not covered');
    }

    @CacheInvalidate('account:1')
    async correct(): Promise<void> {}
  }

  const port = { provide: CacheTransactions, useExisting: Transactions };
  let transactions: Transactions;
  let accounts: Accounts;

  beforeEach(async () => {
    await app.close();
    app = await start(Accounts, Transactions, port);
    transactions = app.get(Transactions);
    accounts = app.get(Accounts);
    cache = app.get(CacheService);
    await cache.set('account:1', 100);
  });

  it('leaves the entry until then', async () => {
    transactions.begin();
    expect(await accounts.pay({ id: 1 })).toBe('paid');
    expect(await cache.has('account:1')).toBe(true);

    await transactions.commit();

    expect(await cache.has('account:1')).toBe(false);
  });

  it('removes also what was cached again before the commit', async () => {
    transactions.begin();
    await accounts.pay({ id: 1 });
    await cache.set('account:1', 'as others still see it');

    await transactions.commit();

    expect(await cache.has('account:1')).toBe(false);
  });

  it('leaves the entry for good when the transaction rolls back', async () => {
    transactions.begin();
    await accounts.pay({ id: 1 });
    transactions.rollBack();
    transactions.begin();
    await transactions.commit();

    expect(await cache.get('account:1')).toBe(100);
  });

  it('invalidates nothing when it fails, whatever becomes of the transaction', async () => {
    transactions.begin();
    await expect(accounts.fail()).rejects.toThrow(new RangeError('not covered'));
    await transactions.commit();

    expect(await cache.get('account:1')).toBe(100);
  });

  it('does so at once when no transaction is open', async () => {
    await accounts.pay({ id: 1 });

    expect(await cache.has('account:1')).toBe(false);
  });

  it('does not keep its neighbours from invalidating at once', async () => {
    transactions.begin();
    await accounts.correct();

    expect(await cache.has('account:1')).toBe(false);
  });

  it('finds the transactions of its own module, so that there may be two databases', async () => {
    class OtherTransactions extends Transactions {}
    @Injectable()
    class Orders {
      @CacheInvalidate({ keys: ['order:1'], when: 'after-commit' })
      async cancel(): Promise<void> {}
    }
    @Module({
      providers: [Orders, OtherTransactions, { provide: CacheTransactions, useExisting: OtherTransactions }],
    })
    class OrdersModule {}
    @Global()
    @Module({ providers: [Transactions, port], exports: [Transactions, CacheTransactions] })
    class AccountsDatabase {}
    const module = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), CacheModule.forRoot(), AccountsDatabase, OrdersModule],
      providers: [Accounts],
    }).compile();
    const both = module.get(CacheService);
    await both.set('account:1', 100);
    await both.set('order:1', 'open');

    module.get(Transactions).begin();
    await module.get(Accounts).pay({ id: 1 });
    await module.get(Orders).cancel();

    expect(await both.has('account:1')).toBe(true);
    expect(await both.has('order:1')).toBe(false);
    await module.close();
  });

  it('fails the start without transactions, and what Nest prints says what to do', async () => {
    await expect(start(Accounts)).rejects.toThrow(
      /Accounts[^]*Provide CacheTransactions, in a module that this one imports or a global one, to use @CacheInvalidate\(\{ when: 'after-commit' \}\)\./,
    );
  });

  it('rejects on an object that Nest did not create, without running', async () => {
    const account = { id: 1 };

    await expect(new Accounts().pay(account)).rejects.toThrow(ServiceNotInjectedError);

    expect(account.id).toBe(1);
  });
});
