-- Gives up a place in the queue, or the hold if it was granted meanwhile, and grants what that makes free.
--
-- KEYS[1]  the lock
-- ARGV[1]  what the channels of the processes begin with; that of the caller is told by the reply instead
-- ARGV[2]  the waiter, as it is in the list
-- Returns who is in the way, see busy(), and then the ids and tokens of the waiters of the same process that were granted

local key, entry = KEYS[1], ARGV[2]
local place = redis.call('LPOS', key, entry)
if place then
  redis.call('LREM', key, 1, entry)
end
local lock = look(key)
if not lock.exists then
  return { busy(lock, 0), {} }
end
local id = match(entry, '^%S+')
local _, index = holderOf(lock, id)
if index then
  removeHolder(lock, index, 'r')
end
evict(lock)
local told = promote(lock, ARGV[1], processOf(id))
put(lock)
return { busy(lock, place and place - 1 or 0), told }
