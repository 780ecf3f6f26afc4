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
local floor, max, min = math.floor, math.max, math.min
local BLOCK = 32768
local MOST_OPERATIONS = 60

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = floor(now / 1000) % 4294967296
local operation = tonumber(ARGV[1])
local mark = write('>I4', operation)
local window_ms = tonumber(ARGV[2])

-- Each returns: retry (0: ok), remaining and reset without the call, the same with it, and the new record.
local function gcra(record, cost, emission, burst)
  local tolerance = emission * burst
  local arrival = now
  if record then
    arrival = min(max(read('>I7', record), now), now + tolerance)
  end
  local following = arrival + emission * cost
  local left, reset = floor((now + tolerance - arrival) / emission), arrival - now
  if following - tolerance > now then
    return following - tolerance - now, left, reset
  end
  return 0, left, reset, floor((now + tolerance - following) / emission), following - now, write('>I7', following)
end

local function fixed_window(record, cost, limit, period)
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

local function sliding_window(record, cost, limit, bucket, buckets)
  local newest = floor(now / bucket)
  local counts, sum, oldest, youngest = {}, 0, -1, -1
  for age = 0, buckets do
    counts[age] = 0
  end
  if record then
    local width, known = read('>I6I6', record)
    for index = 0, (#record - 12) / 4 - 1 do
      local count = read('>I4', record, 13 + index * 4)
      local age = 0
      if width == bucket then
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
    reset = (newest - youngest + buckets + 1) * bucket - now
  end
  if sum + cost <= limit then
    counts[0] = counts[0] + cost
    local packed = { write('>I6I6', bucket, newest) }
    for age = 0, max(0, oldest) do
      packed[#packed + 1] = write('>I4', counts[age])
    end
    return 0, left, reset, limit - sum - cost, (newest + buckets + 1) * bucket - now, table.concat(packed)
  end
  local age = oldest
  local freed = counts[age]
  while freed < sum + cost - limit do
    age = age - 1
    freed = freed + counts[age]
  end
  return (newest - age + buckets + 1) * bucket - now, left, reset
end

local function sliding_log(record, cost, limit, period)
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

local KINDS = { gcra, fixed_window, sliding_window, sliding_log }

-- The operations as they are stored, and the records by their ids.
local function decode(text)
  local records, operations = {}, ''
  if not text then
    return records, operations
  end
  local at = 2
  local count = read('B', text)
  if count > 0 then
    local last = read('>I4', text, 2)
    if (now_ms - last) % 4294967296 < window_ms then
      operations = part(text, 6, 5 + count * 4)
    end
    at = 6 + count * 4
  end
  while at <= #text do
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

local function knows(operations, wanted)
  local at = string.find(operations, wanted, 1, true)
  while at and at % 4 ~= 1 do
    at = string.find(operations, wanted, at + 1, true)
  end
  return at ~= nil
end

local function encode(records, operations)
  operations = part(operations .. mark, -MOST_OPERATIONS * 4)
  local parts = { write('>BI4', #operations / 4, now_ms), operations }
  for id, record in pairs(records) do
    if #record < 255 then
      parts[#parts + 1] = write('>I2B', id, #record)
    else
      parts[#parts + 1] = write('>I2BI2', id, 255, #record)
    end
    parts[#parts + 1] = record
  end
  return table.concat(parts)
end

local subjects, results = {}, {}
local allowed, charged, at = true, false, 3
for index, key in ipairs(KEYS) do
  local state = redis.pcall('GET', key)
  -- Something else may stand there, or bytes that no script of ours has written: then nothing is known.
  local readable, records, operations = pcall(decode, type(state) == 'string' and state)
  if not readable then
    records, operations = {}, ''
  end
  local subject = { key = key, records = records, operations = operations, fresh = {}, life = 0 }
  subjects[index] = subject
  charged = charged or (operation > 0 and knows(operations, mark))
  local rules = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, rules do
    local id, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 2])
    local retry, left, reset, left_after, reset_after, record =
      KINDS[tonumber(ARGV[at + 1])](records[id], cost, tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6]))
    local block = records[id + BLOCK]
    local blocked = block and read('>I7', block) - now or 0
    if blocked > 0 then
      retry, left, reset, record = max(blocked, retry), 0, max(blocked, reset), nil
    end
    if retry > 0 and ARGV[at + 3] == '0' then
      allowed = false
    end
    results[#results + 1] = { retry, left, reset, left_after, reset_after, record }
    subject.fresh[id] = record or records[id] or ''
    subject.life = max(subject.life, record and reset_after or reset)
    at = at + 7
  end
end

-- Its reply was lost: it is as it was then.
if charged then
  allowed = true
end
local charges = allowed and not charged and operation > 0
if charges then
  for _, subject in ipairs(subjects) do
    local life = max(math.ceil(subject.life / 1000), window_ms)
    for id in pairs(subject.records) do
      -- What other calls have left there may have to last longer.
      if not subject.fresh[id] then
        life = max(life, redis.call('PTTL', subject.key))
        break
      end
    end
    for id, record in pairs(subject.fresh) do
      subject.records[id] = record ~= '' and record or nil
    end
    redis.call('SET', subject.key, encode(subject.records, subject.operations), 'PX', life)
  end
end

local reply = { allowed and 1 or 0, now }
for _, result in ipairs(results) do
  local with = charges and result[6]
  reply[#reply + 1] = (result[1] == 0 or charged) and 1 or 0
  reply[#reply + 1] = with and result[4] or result[2]
  reply[#reply + 1] = charged and 0 or result[1]
  reply[#reply + 1] = with and result[5] or result[3]
end
return reply
