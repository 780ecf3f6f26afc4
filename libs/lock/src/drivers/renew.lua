-- Makes holds valid from now on, each for itself. One whose time is over is not made valid again, though nobody took it.
--
-- KEYS     the locks
-- ARGV[2]  of each lock in turn: the id and the token of its hold, its time to live, and what its token is at least from now on, or 0
-- Returns for each lock its token, or how the hold ended; -1 and the time, if it is too late

local FIELDS = 4
local replies = {}
for index, key in ipairs(KEYS) do
  local at = 2 + (index - 1) * FIELDS
  local id, token, ttl, least = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local lock = look(key)
  local holder = holderOf(lock, id)
  if holder and holder.till >= now then
    holder.since, holder.lease, holder.till = now, ttl, now + ttl
    holder.token = math.max(holder.token, least)
    lock.last = math.max(lock.last, least)
    set(lock)
    replies[index] = holder.token
  else
    replies[index] = holder and 'e' or endOf(lock, id, token)
  end
end
return replies
