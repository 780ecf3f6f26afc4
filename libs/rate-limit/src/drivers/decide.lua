-- Decides all rules of a call at one moment, and charges all of them or none.
--
-- KEYS     the state of each subject
-- ARGV[1]  the operation, 0 to charge nothing
-- ARGV[2]  for how many milliseconds an operation may be asked for again
-- ARGV[3..] for each subject: how many rules; for each rule: id, kind, cost, shadow (0 or 1), a, b, c
--           kind 1 gcra: emission, burst; 2 fixed window: limit, period; 3 sliding window: limit, bucket, buckets;
--           4 sliding log: limit, period (times in microseconds)
-- Returns  allowed (0 or 1), the time in microseconds, and for each rule: ok (0 or 1), remaining, retry, reset
--
-- A state is: how many operations (1 byte); if any, when the last was charged (4, in milliseconds) and their numbers (4 each);
-- then records of id (2), length (1), and as many bytes. The record of a block has 32768 added to its id.
--
-- Invariant: the same arithmetic as in algorithms/*.ts, in whole numbers below 2^53.

local read, write, part = struct.unpack, struct.pack, string.sub
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local BLOCK = 32768
local MOST_OPERATIONS = 60

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = floor(now / 1000) % 4294967296
local window_ms = tonumber(ARGV[2])
local charging = ARGV[1] ~= '0'
local mark = write('>I4', ARGV[1])

-- The rules beside GCRA, as in algorithms/*.ts. In one function, and what it needs inside of it: most calls make none of it.
-- Returns: retry (0: ok), remaining and reset without the call, the same with it, and the new record.
local function window_or_log(kind, record, cost, limit, period, buckets)
  if kind == '2' then
    local ends, count, reset = now + period, 0, 0
    if record then
      local known, taken = read('>I7I4', record)
      if known > now then
        ends, count = min(known, ends), taken
        reset = ends - now
      end
    end
    local left = max(0, limit - count)
    if count + cost > limit then
      return ends - now, left, reset
    end
    return 0, left, reset, limit - count - cost, ends - now, write('>I7I4', ends, count + cost)
  end

  if kind == '3' then
    local newest = floor(now / period)
    local counts, sum, oldest, youngest = {}, 0, -1, -1
    for age = 0, buckets do
      counts[age] = 0
    end
    if record then
      local width, known = read('>I6I6', record)
      for index = 0, (#record - 12) / 4 - 1 do
        local count = read('>I4', record, 13 + index * 4)
        local age = 0
        if width == period then
          age = max(0, newest - known + index)
        end
        if age <= buckets then
          counts[age] = counts[age] + count
        end
      end
      for age = 0, buckets do
        sum = sum + counts[age]
        if counts[age] > 0 then
          oldest = age
          if youngest < 0 then
            youngest = age
          end
        end
      end
    end
    local left, reset = max(0, limit - sum), 0
    if youngest >= 0 then
      reset = (newest - youngest + buckets + 1) * period - now
    end
    if sum + cost <= limit then
      counts[0] = counts[0] + cost
      local packed = { write('>I6I6', period, newest) }
      for age = 0, max(0, oldest) do
        packed[#packed + 1] = write('>I4', counts[age])
      end
      return 0, left, reset, limit - sum - cost, (newest + buckets + 1) * period - now, table.concat(packed)
    end
    local age = oldest
    local freed = counts[age]
    while freed < sum + cost - limit do
      age = age - 1
      freed = freed + counts[age]
    end
    return (newest - age + buckets + 1) * period - now, left, reset
  end

  local taken, packed = {}, {}
  if record then
    for at = 1, #record, 7 do
      local moment = read('>I7', record, at)
      if moment > now - period then
        taken[#taken + 1] = min(moment, now)
        packed[#packed + 1] = write('>I7', min(moment, now))
      end
    end
  end
  local left, reset = max(0, limit - #taken), 0
  if #taken > 0 then
    reset = taken[#taken] + period - now
  end
  local excess = #taken + cost - limit
  if excess > 0 then
    return taken[excess] + period - now, left, reset
  end
  for _ = 1, cost do
    packed[#packed + 1] = write('>I7', now)
  end
  return 0, left, reset, -excess, period, table.concat(packed)
end

-- The records of a state by their ids, and its operations as they are stored.
local function decode(text)
  local records, operations, at = {}, '', 2
  local count = read('B', text)
  if count > 0 then
    if (now_ms - read('>I4', text, 2)) % 4294967296 < window_ms then
      operations = part(text, 6, 5 + count * 4)
    end
    at = 6 + count * 4
  end
  local size = #text
  while at <= size do
    local id, length = read('>I2B', text, at)
    at = at + 3
    if length == 255 then
      length = read('>I2', text, at)
      at = at + 2
    end
    records[id] = part(text, at, at + length - 1)
    at = at + length
  end
  return records, operations
end

local states, operations_of, lives = {}, {}, {}
-- The reply as it is when nothing is charged, and when all is.
local without, with = { 0, now }, { 1, now }
local allowed, charged, at, to = true, false, 3, 2
for index = 1, #KEYS do
  local records, operations, life = {}, '', 0
  local state = redis.pcall('GET', KEYS[index])
  -- Something else may stand there, or bytes that no script of ours has written: then nothing is known.
  if type(state) == 'string' then
    local readable, found, recent = pcall(decode, state)
    if readable then
      records, operations = found, recent
    end
  end
  if charging and operations ~= '' and not charged then
    local place = string.find(operations, mark, 1, true)
    while place and place % 4 ~= 1 do
      place = string.find(operations, mark, place + 1, true)
    end
    charged = place ~= nil
  end
  local rules = tonumber(ARGV[at])
  local fresh = {}
  at = at + 1
  for _ = 1, rules do
    local id, cost, limit, period = tonumber(ARGV[at]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    local known = records[id]
    local retry, left, reset, left_after, reset_after, record
    if ARGV[at + 1] == '1' then
      -- GCRA: `limit` is the emission interval, `period` the burst.
      local tolerance = limit * period
      local arrival = now
      if known then
        arrival = min(max(read('>I7', known), now), now + tolerance)
      end
      local following = arrival + limit * cost
      left, reset = floor((now + tolerance - arrival) / limit), arrival - now
      if following - tolerance > now then
        retry = following - tolerance - now
      else
        retry, left_after, reset_after = 0, floor((now + tolerance - following) / limit), following - now
        record = write('>I7', following)
      end
    else
      retry, left, reset, left_after, reset_after, record =
        window_or_log(ARGV[at + 1], known, cost, limit, period, tonumber(ARGV[at + 6]))
    end
    local block = records[id + BLOCK]
    local blocked = block and read('>I7', block) - now or 0
    if blocked > 0 then
      retry, left, reset, record = max(blocked, retry), 0, max(blocked, reset), nil
    end
    if retry > 0 and ARGV[at + 3] == '0' then
      allowed = false
    end
    fresh[id] = record or known or ''
    life = max(life, record and reset_after or reset)
    local ok = retry == 0 and 1 or 0
    without[to + 1], without[to + 2], without[to + 3], without[to + 4] = ok, left, retry, reset
    with[to + 1], with[to + 2], with[to + 3], with[to + 4] =
      ok, record and left_after or left, retry, record and reset_after or reset
    to = to + 4
    at = at + 7
  end
  states[index], operations_of[index], lives[index] = { records, fresh }, operations, life
end

if not charging then
  without[1] = allowed and 1 or 0
  return without
end
if charged then
  -- Its reply was lost: it is as it was then.
  without[1] = 1
  for place = 3, to, 4 do
    without[place], without[place + 2] = 1, 0
  end
  return without
end
if not allowed then
  return without
end

for index = 1, #KEYS do
  local records, fresh = states[index][1], states[index][2]
  local life = max(ceil(lives[index] / 1000), window_ms)
  local operations = operations_of[index] .. mark
  if #operations > MOST_OPERATIONS * 4 then
    operations = part(operations, -MOST_OPERATIONS * 4)
  end
  local state = write('>BI4', #operations / 4, now_ms) .. operations
  local others = false
  for id, record in pairs(records) do
    if not fresh[id] then
      others = true
      fresh[id] = record
    end
  end
  if others then
    -- What other calls have left there may have to last longer.
    life = max(life, redis.call('PTTL', KEYS[index]))
  end
  for id, record in pairs(fresh) do
    local length = #record
    if length >= 255 then
      state = state .. write('>I2BI2', id, 255, length) .. record
    elseif length > 0 then
      state = state .. write('>I2B', id, length) .. record
    end
  end
  redis.call('SET', KEYS[index], state, 'PX', life)
end
return with
