-- Ends holds, and grants what becomes free to those who wait first.
--
-- KEYS     the locks
-- ARGV[1]  what the channels of the processes begin with; that of the caller is told by the reply instead
-- ARGV[2]  the waiter that goes before all others, or ''; or '?': nobody waits as far as the caller knows, and
--          its holds are valid
-- ARGV[3]  for how long after its grant nobody else is granted
-- ARGV[4]  'take' or 'look': how the locks are read, see take()
-- ARGV[5]  of each lock in turn: the id and the token of its hold, in one text
-- Returns for each lock 'r' where nobody waited; else a list: how its hold ended, and then the ids and tokens of the waiters of the same
-- process that were granted

local channels, keep = ARGV[1], tonumber(ARGV[3])
local prefer = ARGV[2] ~= '?' and ARGV[2] or ''

-- Puts who is preferred in front of the queue.
local function advance(lock)
  if match(lock.waiter, '^%S+') == prefer then
    return
  end
  for _, waiter in ipairs(redis.call('LRANGE', lock.key, 2, -1)) do
    if match(waiter, '^%S+') == prefer then
      redis.call('LREM', lock.key, 1, waiter)
      redis.call('LINSERT', lock.key, 'BEFORE', lock.waiter, waiter)
      lock.waiter = waiter
      return
    end
  end
end

for _, position in ipairs(others) do
  local key = KEYS[position]
  local id, tokenText = match(ARGV[4 + position], '^(%S+) (%d+)$')
  local token = tonumber(tokenText)
  local lock = ARGV[4] == 'take' and prefer == '' and take(key) or look(key)
  local how = 'e'
  if lock.exists then
    local holder, index = holderOf(lock, id)
    if not holder then
      how = endOf(lock, id, token)
    else
      how = holder.till < now and 'e' or 'r'
      removeHolder(lock, index, how)
      if how == 'r' then
        -- A token may be ahead of the clock, after a failover.
        holder.since, holder.lease, holder.delay = math.min(holder.token, now), keep, 0
        holder.till = keep > 0 and holder.since + keep or 0
      end
      if holder.till + holder.delay > now then
        -- Nobody holds it, and nobody is granted it until then.
        holder.id = '-:' .. id
        lock.used = lock.used + holder.weight
        table.insert(lock.holders, holder)
      end
    end
    evict(lock)
    if lock.waiter and prefer ~= '' then
      advance(lock)
    end
  end
  local reply = promote(lock, channels, processOf(id))
  if lock.exists then
    put(lock)
  end
  table.insert(reply, 1, how)
  replies[position] = reply
end
return replies
