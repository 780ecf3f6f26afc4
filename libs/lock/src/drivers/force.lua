-- Ends all holds of a lock, tells their processes, and grants to those who wait.
--
-- KEYS[1]  the lock
-- ARGV[2]  what the channels of the processes begin with
-- ARGV[3]  only holds that were granted before this time are ended; 0: all
-- Returns the ids of the holds; -1 and the time, if it is too late

local lock = look(KEYS[1])
if not lock.exists then
  return {}
end
local ids = {}
for index = #lock.holders, 1, -1 do
  local holder = lock.holders[index]
  local isHeld = holder.till >= now and string.sub(holder.id, 1, 2) ~= '-:'
  local isMeant = ARGV[3] == '0' or holder.token < tonumber(ARGV[3])
  if isMeant then
    removeHolder(lock, index, isHeld and 'f' or 'e')
  end
  if isHeld and isMeant then
    ids[#ids + 1] = holder.id
    redis.pcall('PUBLISH', ARGV[2] .. processOf(holder.id), 'forced ' .. holder.id)
  end
end
promote(lock, ARGV[2], nil)
put(lock)
return ids
