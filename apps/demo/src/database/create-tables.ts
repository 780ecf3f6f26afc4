/** Unlogged: the database lives in memory, so a write-ahead log could save nothing and would double its size. */
export const CREATE_TABLES = `
  create unlogged table cities (
    id int primary key,
    name text not null,
    key text not null,
    country char(2) not null,
    population int not null,
    latitude double precision not null,
    longitude double precision not null
  );
  create unlogged table venues (
    id int primary key generated always as identity,
    city_id int not null,
    name text not null,
    latitude double precision not null,
    longitude double precision not null
  );
  create unlogged table events (
    id int primary key generated always as identity,
    venue_id int not null,
    title text not null,
    starts_at timestamptz not null,
    price numeric(8, 2) not null
  );
  create unlogged table seats (
    id int primary key generated always as identity,
    venue_id int not null,
    "row" char(1) not null,
    number int not null
  );
  create unlogged table orders (
    id int primary key generated always as identity,
    event_id int not null,
    seat_id int not null,
    buyer text,
    receipt text
  );
  create unlogged table reservations (
    event_id int not null,
    seat_id int not null,
    buyer text,
    until timestamptz,
    fence bigint not null,
    primary key (event_id, seat_id)
  );
`;

/** Run after the rows are in: one pass over a table is far cheaper than a check per row. */
export const ADD_CONSTRAINTS = [
  `create index on cities (key)`,
  `create index on seats (venue_id)`,
  `alter table orders add unique (event_id, seat_id)`,
  `alter table venues add foreign key (city_id) references cities`,
  `alter table events add foreign key (venue_id) references venues`,
  `alter table seats add foreign key (venue_id) references venues`,
  `alter table orders add foreign key (event_id) references events`,
  `alter table orders add foreign key (seat_id) references seats`,
  `alter table reservations add foreign key (event_id) references events`,
  `alter table reservations add foreign key (seat_id) references seats`,
  `analyze`,
];
