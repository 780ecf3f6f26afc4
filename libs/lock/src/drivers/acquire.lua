-- Acquires locks, each for itself, or all of them at one moment, with one token, or none. What was granted to the same id before is
-- granted again.
--
-- KEYS     the locks
-- ARGV[2]  'queue': a claim that cannot be granted takes a place in the queue. 'again': likewise, by a call whose first reply may have
--          been lost. 'blind': likewise, for one lock, and the process of the caller beats for others that wait for it. 'no': it takes
--          none. 'together': all or none, and none takes a place
-- ARGV[3]  what the channels of the processes begin with
-- ARGV[4]  the claims, one for each lock, see begin.lua
-- Returns for each lock, or once for all together: its token; or 2 and how long until a hold expires, or 0; or 0 and who is in the way,
-- see busy(). -1 and the time, if it is too late
-- Invariant: who waits is not passed by who comes later.

local channels = ARGV[3]

local function claimOf(index)
  local id, weight, permits, ttl, delay = match(ARGV[3 + index], '^(%S+) (%d+) (%d+) (%d+) (%d+)$')
  return {
    id = id, weight = tonumber(weight), permits = tonumber(permits), ttl = tonumber(ttl), delay = tonumber(delay),
    text = ARGV[3 + index],
  }
end

-- A lock as it is once all who wait and could be granted have been.
local function current(key)
  local lock = look(key)
  evict(lock)
  local first, weight, permits = match(lock.waiter or '', '^(%S+) (%d+) (%d+)')
  if first and (lock.used + weight <= tonumber(permits) or not isAlive(lock, processOf(first))) then
    promote(lock, channels, nil)
    put(lock)
    lock = look(key)
  elseif lock.beats and not lock.waiter and tonumber(match(lock.beats, '^%d+')) < now then
    redis.call('LTRIM', key, 0, 0)
    lock.beats = nil
  end
  return lock
end

local function isFree(lock, claim)
  return not lock.waiter and lock.used + claim.weight <= claim.permits
end

local function grant(lock, claim, token)
  addHolder(lock, claim.id, claim.weight, claim.ttl, claim.delay, token)
  set(lock)
  return token
end

local function grantAgain(lock, holder, claim, token)
  holder.token, holder.since, holder.lease, holder.till = token, now, claim.ttl, now + claim.ttl
  lock.last = math.max(lock.last, token)
  set(lock)
  return token
end

-- Puts a claim at the end of the queue, and notes that its process is alive.
local function enqueue(lock, claim)
  local process = processOf(claim.id)
  local beats = match(lock.beats or '', '^%d+(;.*)$') or ';'
  local start, stop = find(beats, ';' .. process .. '=', 1, true)
  if start then
    beats = string.sub(beats, 1, start) .. match(beats, '^%d+;(.*)$', stop + 1)
  end
  beats = format('%.0f%s%s=%.0f;', now + LIVE, beats, process, now + LIVE)
  local others = lock.beats
  lock.beats = beats
  set(lock)
  if others then
    redis.call('LSET', lock.key, 1, beats)
    redis.call('RPUSH', lock.key, claim.text)
  else
    redis.call('RPUSH', lock.key, beats, claim.text)
  end
end

local function acquire(key, claim)
  local lock = current(key)
  local holder = holderOf(lock, claim.id)
  if holder then
    return grantAgain(lock, holder, claim, holder.token)
  elseif isFree(lock, claim) then
    return grant(lock, claim, now > lock.last and now or lock.last + 1)
  elseif mode == 'no' then
    return busy(lock, 0)
  elseif mode ~= 'again' or not redis.call('LPOS', key, claim.text) then
    enqueue(lock, claim)
  end
  return { 2, untilNext(lock) }
end

if mode ~= 'together' then
  for _, index in ipairs(others) do
    replies[index] = acquire(KEYS[index], claimOf(index))
  end
  return replies
end

local locks, claims, holders = {}, {}, {}
local last, granted, most = 0, 0, 0
for index, key in ipairs(KEYS) do
  local lock, claim = current(key), claimOf(index)
  local holder = holderOf(lock, claim.id)
  if not holder and not isFree(lock, claim) then
    return { busy(lock, 0) }
  end
  if holder then
    granted, most = granted + 1, math.max(most, holder.token)
  end
  locks[index], claims[index], holders[index] = lock, claim, holder or false
  last = math.max(last, lock.last)
end

-- Those that were all granted before keep their token: it may have been said.
local token = granted == #KEYS and most or now > last and now or last + 1
for index, lock in ipairs(locks) do
  if holders[index] then
    grantAgain(lock, holders[index], claims[index], token)
  else
    grant(lock, claims[index], token)
  end
end
return { token }
