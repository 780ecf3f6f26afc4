-- Ends all holds of a lock, tells their processes, and grants to those who wait.
--
-- KEYS[1]  the lock
-- ARGV[1]  what the channels of the processes begin with
-- Returns the ids of the holds

local lock = look(KEYS[1])
if not lock.exists then
  return {}
end
local ids = {}
for index = #lock.holders, 1, -1 do
  local holder = lock.holders[index]
  local isHeld = holder.till >= now and string.sub(holder.id, 1, 2) ~= '-:'
  removeHolder(lock, index, isHeld and 'f' or 'e')
  if isHeld then
    ids[#ids + 1] = holder.id
    redis.pcall('PUBLISH', ARGV[1] .. processOf(holder.id), 'forced ' .. holder.id)
  end
end
promote(lock, ARGV[1], nil)
put(lock)
return ids
