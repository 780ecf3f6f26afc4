-- Says that a process is alive and who of it waits, in the order of arrival; who has lost its place is put at the end. Grants what
-- has become free.
--
-- KEYS[1]  the lock
-- ARGV[2]  what the channels of the processes begin with
-- ARGV[3]  the waiters of one process, each as it is in the list
-- Returns how long until a hold expires, whether the process has the first in the queue, the last token, and for each waiter its token or 0; -1 and the time,
-- if it is too late

local key, channels, process = KEYS[1], ARGV[2], processOf(match(ARGV[3], '^%S+'))
local lock = look(key)
evict(lock)

-- The latest word of each process that is alive.
local hadBeats = lock.beats
local beats = { '', process .. '=' .. format('%.0f', now + LIVE) }
for name, till in string.gmatch(lock.beats or '', ';([^=;]+)=(%d+)') do
  if name ~= process and tonumber(till) >= now then
    beats[#beats + 1] = name .. '=' .. till
  end
end
lock.beats = format('%.0f', now + LIVE) .. table.concat(beats, ';') .. ';'

-- First: a server that is full refuses a write that grows, unless the script has written before.
redis.call('LTRIM', key, 0, -1)
if not lock.exists then
  redis.call('RPUSH', key, stateOf(lock), lock.beats)
elseif hadBeats then
  redis.call('LSET', key, 1, lock.beats)
else
  redis.call('RPUSH', key, lock.beats)
end

local waiting = {}
if lock.waiter then
  for _, entry in ipairs(redis.call('LRANGE', key, 2, -1)) do
    waiting[entry] = true
  end
end
for index = 3, #ARGV do
  local entry = ARGV[index]
  if not waiting[entry] and not holderOf(lock, match(entry, '^%S+')) then
    redis.call('RPUSH', key, entry)
    lock.waiter = lock.waiter or entry
  end
end

promote(lock, channels, process)
put(lock)

local replies = { untilNext(lock), 0, lock.last }
for index = 3, #ARGV do
  local id = match(ARGV[index], '^%S+')
  local holder = holderOf(lock, id)
  replies[index + 1] = holder and holder.till >= now and holder.token or 0
end
local first = redis.call('LINDEX', key, 2)
if first and processOf(match(first, '^%S+')) == process then
  replies[2] = 1
end
return replies
