-- Acquires those locks that are free and that nobody waits for, which most are, or waits for one that others of the process wait for;
-- see acquire.lua, which goes on with the others.

local mode = ARGV[2]
local replies, others = {}, {}
if mode == 'blind' then
  if redis.call('RPUSH', KEYS[1], ARGV[4]) > 3 then
    return { { 2, 0 } }
  end
  -- Nobody else waits, so it has to be seen whether the lock is free.
  redis.call('RPOP', KEYS[1])
  others[1] = 1
elseif mode ~= 'together' then
  local terms, weight, tail, least
  for index = 1, #KEYS do
    local state = redis.call('LINDEX', KEYS[index], 0)
    -- Without a holder, and without anything else in the list; and not after a holder that has expired, which is stolen with the next
    -- grant.
    local last = state and string.sub(state, -1)
    local isFree = not state or last ~= 'e' and last ~= '+' and not string.find(state, ';', 1, true)
    if isFree and string.sub(state or '', 1, 16) < nowText then
      local claim = ARGV[3 + index]
      local stop = string.find(claim, ' ', 1, true)
      if string.sub(claim, stop) ~= terms then
        terms = string.sub(claim, stop)
        local ttl, delay
        weight, ttl, delay = string.match(terms, '^ (%d+) %d+ (%d+) (%d+)$')
        tail, least = ttl .. ' ' .. delay, string.format('%.0f', now + ttl + delay + KEPT)
      end
      local expiresAt = string.sub(state or '', 18, 33)
      local extended = expiresAt < least
      if extended then
        -- By more than is needed, so that it seldom is.
        expiresAt = string.format('%.0f', least + KEPT)
      end
      local ended = state and string.sub(state, 35) or '- -'
      local hold = nowText .. ' ' .. expiresAt .. ' ' .. ended .. ';' .. string.sub(claim, 1, stop) .. nowText .. ' ' .. weight
        .. ' ' .. nowText .. ' ' .. tail
      if state then
        redis.call('LSET', KEYS[index], 0, hold)
      else
        redis.call('RPUSH', KEYS[index], hold)
      end
      if extended then
        redis.call('PEXPIREAT', KEYS[index], string.sub(expiresAt, 1, -4))
      end
      replies[index] = now
    else
      others[#others + 1] = index
    end
  end
  if #others == 0 then
    return replies
  end
end
