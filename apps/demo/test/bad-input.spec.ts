import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openShop, type Complaint, type Shop } from './open-shop.js';

const BAD_SEARCHES = [
  ['no place', '', 'near'],
  ['an empty place', 'near=', 'near'],
  ['a place of 81 letters', `near=${'x'.repeat(81)}`, 'near'],
  ['a place with a control character', 'near=a%00b', 'near'],
  ['a blank place', 'near=+', 'near'],
  ['two places', 'near=Lisbon&near=Porto', 'near'],
  ['a place that is no city', 'near=Atlantix', 'near'],
  ['a radius without its unit', 'near=Lisbon&radius=50', 'radius'],
  ['a radius of nothing', 'near=Lisbon&radius=0km', 'radius'],
  ['a radius that is too large', 'near=Lisbon&radius=501km', 'radius'],
  ['a country that is no code', 'near=Lisbon&country=Portugal', 'country'],
  ['a limit of nothing', 'near=Lisbon&limit=0', 'limit'],
  ['a limit that is too large', 'near=Lisbon&limit=101', 'limit'],
  ['a page that is no number', 'near=Lisbon&page=two', 'page'],
  ['a field that is not known', 'near=Lisbon&sort=price', 'sort'],
] as const;

const BAD_CHANGES = [
  ['an empty title', { title: '' }, 'title'],
  ['a blank title', { title: '  ' }, 'title'],
  ['a title that is null', { title: null }, 'title'],
  ['a title that is a number', { title: 5 }, 'title'],
  ['a title of two lines', { title: 'one\ntwo' }, 'title'],
  ['a price in words', { price: 'ten' }, 'price'],
  ['a price below nothing', { price: -1 }, 'price'],
  ['a price with three decimals', { price: 1.234 }, 'price'],
  ['a time that is no time', { startsAt: 'soon' }, 'startsAt'],
  ['a time without its zone', { startsAt: '2030-05-17T20:00:00' }, 'startsAt'],
  ['a day that does not exist', { startsAt: '2030-02-30T20:00:00Z' }, 'startsAt'],
  ['a field that may not be changed', { id: 8 }, 'id'],
] as const;

describe.each(['express', 'fastify'] as const)('Bad input to the ticket shop on %s', (adapter) => {
  let shop: Shop;

  beforeAll(async () => {
    shop = await openShop({ adapter, cities: 100 });
  }, 60_000);

  afterAll(() => shop?.close());

  it.each(BAD_SEARCHES)('a search with %s gets a 400 that names the field', async (_what, query, field) => {
    const { status, body } = await shop.get<Complaint>(`/events?${query}`);
    expect({ status, fields: body.fields }).toEqual({ status: 400, fields: [field] });
    expect(body.message.join()).toContain(field);
  });

  it.each(BAD_CHANGES)('a change to %s gets a 400 that names the field', async (_what, change, field) => {
    const { status, body } = await shop.patch<Complaint>('/events/1', change);
    expect({ status, fields: body.fields }).toEqual({ status: 400, fields: [field] });
    expect(body.message.join()).toContain(field);
  });

  it('names every wrong field at once', async () => {
    const { body } = await shop.get<Complaint>('/events?radius=far&limit=none');
    expect(body.fields).toEqual(['near', 'radius', 'limit']);
  });

  it('a change to nothing gets a 400 that names what can be changed', async () => {
    const { status, body } = await shop.patch<Complaint>('/events/1', {});
    expect({ status, fields: body.fields }).toEqual({ status: 400, fields: ['title', 'price', 'startsAt'] });
  });

  it.each(['0', '-1', '1.5', 'abc', '1e3', '99999999999'])('the id %s gets a 400 that names it', async (id) => {
    for (const { status, body } of [
      await shop.get<Complaint>(`/events/${id}`),
      await shop.patch<Complaint>(`/events/${id}`, { price: 1 }),
    ]) {
      expect({ status, fields: body.fields }).toEqual({ status: 400, fields: ['id'] });
    }
  });
});
