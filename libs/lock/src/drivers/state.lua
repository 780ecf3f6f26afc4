-- Reads and writes what there is of a lock; see begin.lua.

local match, format, find = string.match, string.format, string.find

local function processOf(id)
  return match(id, '^(.*):')
end

local function parse(key, top)
  local lock = {
    key = key, exists = top[1] ~= nil, last = 0, expiresAt = 0, endedId = '-', how = '-',
    holders = {}, used = 0, beats = top[2], waiter = top[3], gone = 0,
  }
  if top[1] then
    local last, expiresAt, endedId, how, rest = match(top[1], '^(%d+) (%d+) (%S+) ([^%s+])%+?(.*)$')
    if not last then
      error('the key holds a list that is no lock', 0)
    end
    lock.last, lock.expiresAt, lock.endedId, lock.how = tonumber(last), tonumber(expiresAt), endedId, how
    for id, token, weight, since, lease, delay in string.gmatch(rest, ';(%S+) (%d+) (%d+) (%d+) (%d+) (%d+)') do
      local holder = { id = id, weight = tonumber(weight), token = tonumber(token), since = tonumber(since) }
      holder.lease, holder.delay = tonumber(lease), tonumber(delay)
      holder.till = holder.since + holder.lease
      lock.holders[#lock.holders + 1] = holder
      lock.used = lock.used + holder.weight
    end
  end
  return lock
end

-- Looks at a lock and its first waiter, and leaves it as it is.
local function look(key)
  return parse(key, redis.call('LRANGE', key, 0, 2))
end

-- Takes the state and the first waiter off the list, which saves a command: put() brings back what there is then. Not on a Cluster: of a
-- slot that moves, a key that is gone in between may not be made anew.
local function take(key)
  local lock = parse(key, redis.call('LPOP', key, 3) or {})
  lock.taken = true
  return lock
end

local function stateOf(lock)
  local more = lock.beats and '+' or ''
  local parts = { format('%.0f %.0f %s %s%s', lock.last, lock.expiresAt, lock.endedId, lock.how, more) }
  for _, holder in ipairs(lock.holders) do
    parts[#parts + 1] = format(
      '%s %.0f %d %.0f %.0f %.0f', holder.id, holder.token, holder.weight, holder.since, holder.lease, holder.delay
    )
  end
  return table.concat(parts, ';')
end

-- Sees to it that the list lives as long as it means something; returns whether its expiry has changed.
local function prolong(lock)
  local least = now + KEPT
  for _, holder in ipairs(lock.holders) do
    least = math.max(least, holder.till + holder.delay + KEPT)
  end
  if lock.expiresAt >= least then
    return false
  end
  -- By more than is needed, so that it seldom is.
  lock.expiresAt = least + KEPT
  return true
end

local function expire(lock)
  redis.call('PEXPIREAT', lock.key, format('%.0f', lock.expiresAt / 1000))
end

-- Writes what was looked at; waiters are where they were.
local function set(lock)
  local prolonged = prolong(lock)
  if not lock.exists then
    redis.call('RPUSH', lock.key, stateOf(lock))
    expire(lock)
    lock.exists = true
  else
    if prolonged then
      expire(lock)
    end
    local state = stateOf(lock)
    local answer = redis.pcall('LSET', lock.key, 0, state)
    if answer.err then
      -- A server that is full refuses what may grow, unless the script has written before.
      expire(lock)
      redis.call('LSET', lock.key, 0, state)
    end
  end
end

-- Writes what was looked at or taken, and takes off the list who was granted or dropped.
local function put(lock)
  local prolonged = prolong(lock)
  if lock.taken then
    local parts = { lock.beats, stateOf(lock) }
    if lock.waiter then
      table.insert(parts, 1, lock.waiter)
    elseif not lock.beats then
      parts = { stateOf(lock) }
    end
    -- A list that was empty in between has lost its expiry.
    if redis.call('LPUSH', lock.key, unpack(parts)) == #parts or prolonged then
      expire(lock)
    end
    return
  end
  -- Also where there is nobody to take off: a server that is full refuses the writes below unless the script has written before.
  redis.call('LTRIM', lock.key, lock.gone, -1)
  redis.call('LSET', lock.key, 0, stateOf(lock))
  if lock.gone > 0 then
    redis.call('LSET', lock.key, 1, lock.beats)
  end
  if prolonged then
    expire(lock)
  end
end

local function holderOf(lock, id)
  for index, holder in ipairs(lock.holders) do
    if holder.id == id then
      return holder, index
    end
  end
end

local function removeHolder(lock, index, how)
  local holder = table.remove(lock.holders, index)
  lock.used = lock.used - holder.weight
  lock.endedId, lock.how = holder.id, how
end

-- Ends the holds whose time is over. That they are stolen is known with the next grant.
local function evict(lock)
  for index = #lock.holders, 1, -1 do
    local holder = lock.holders[index]
    if holder.till + holder.delay < now then
      removeHolder(lock, index, 'e')
    end
  end
end

local function addHolder(lock, id, weight, lease, delay, token)
  lock.last = token
  lock.used = lock.used + weight
  if lock.how == 'e' then
    lock.how = 's'
  end
  lock.holders[#lock.holders + 1] = {
    id = id, weight = weight, token = token, since = now, lease = lease, till = now + lease, delay = delay,
  }
end

-- How a hold ended that is not there any more.
local function endOf(lock, id, token)
  if lock.endedId == id then
    return lock.how
  end
  return lock.last > token and 's' or 'e'
end

local function isAlive(lock, process)
  local _, stop = find(lock.beats or '', ';' .. process .. '=', 1, true)
  return stop and tonumber(match(lock.beats, '^%d+', stop + 1)) >= now
end

-- How long until a hold expires if nobody renews it; 0 when there is none.
local function untilNext(lock)
  local first
  for _, holder in ipairs(lock.holders) do
    local left = holder.till + holder.delay - now
    first = first and math.min(first, left) or left
  end
  return first or 0
end

-- What is said to who is not granted: place, one of the holders, for how long.
local function busy(lock, position)
  for _, holder in ipairs(lock.holders) do
    if holder.till >= now then
      return { 0, position, holder.id, holder.token, holder.till - now }
    end
  end
  return { 0, position }
end

-- Who waits behind the first; put() takes off the list who is passed.
local function nextWaiter(lock)
  if lock.taken then
    return redis.call('LPOP', lock.key)
  end
  lock.gone = lock.gone + 1
  return redis.call('LINDEX', lock.key, 2 + lock.gone)
end

-- Grants a lock to those who wait first, while they fit. The processes of the winners are told, that of the caller by what is
-- returned: ids and tokens in turn.
local function promote(lock, channels, own)
  local told = {}
  local waiter = lock.waiter
  while waiter do
    local process, number, weight, permits, ttl, delay = match(waiter, '^(.*):(%S+) (%d+) (%d+) (%d+) (%d+)$')
    if isAlive(lock, process) then
      weight, permits = tonumber(weight), tonumber(permits)
      if lock.used + weight > permits then
        break
      end
      local id, token = process .. ':' .. number, now > lock.last and now or lock.last + 1
      addHolder(lock, id, weight, math.min(tonumber(ttl), HANDED), tonumber(delay), token)
      if process == own then
        told[#told + 1] = id
        told[#told + 1] = token
      else
        -- Where the user of the connection may not publish, the beat of the process finds what was granted to it.
        redis.pcall('PUBLISH', channels .. process, format('granted %s %.0f %s', id, token, lock.key))
      end
      if lock.used >= permits then
        -- The next has to wait, whoever it is.
        lock.gone = lock.taken and 0 or lock.gone + 1
        waiter = nil
      else
        waiter = nextWaiter(lock)
      end
    else
      waiter = nextWaiter(lock)
    end
  end
  lock.waiter = waiter or nil
  return told
end
