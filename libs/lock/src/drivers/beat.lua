-- Says that a process is alive and who of it waits, in the order of arrival; who has lost its place is put at the end. Grants what
-- has become free.
--
-- KEYS[1]  the lock
-- ARGV[2]  what the channels of the processes begin with
-- ARGV[3]  the waiters of one process, each as it is in the list
-- Returns how long until a hold expires, whether the process has the first in the queue, and for each waiter its token or 0; -1 and the time,
-- if it is too late

local key, channels, process = KEYS[1], ARGV[2], processOf(match(ARGV[3], '^%S+'))
local lock = take(key)
evict(lock)

-- The latest word of each process that is alive.
local beats = { '', process .. '=' .. format('%.0f', now + LIVE) }
for name, till in string.gmatch(lock.beats or '', ';([^=;]+)=(%d+)') do
  if name ~= process and tonumber(till) >= now then
    beats[#beats + 1] = name .. '=' .. till
  end
end
lock.beats = format('%.0f', now + LIVE) .. table.concat(beats, ';') .. ';'

local waiting = {}
if lock.waiter then
  waiting[lock.waiter] = true
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    waiting[entry] = true
  end
end
for index = 3, #ARGV do
  local entry = ARGV[index]
  if not waiting[entry] and not holderOf(lock, match(entry, '^%S+')) then
    if lock.waiter then
      redis.call('RPUSH', key, entry)
    else
      lock.waiter = entry
    end
  end
end

promote(lock, channels, process)
put(lock)

local replies = { untilNext(lock), 0 }
for index = 3, #ARGV do
  local id = match(ARGV[index], '^%S+')
  local holder = holderOf(lock, id)
  replies[index] = holder and holder.till >= now and holder.token or 0
end
local first = lock.waiter or redis.call('LINDEX', key, 2)
if first and processOf(match(first, '^%S+')) == process then
  replies[2] = 1
end
return replies
