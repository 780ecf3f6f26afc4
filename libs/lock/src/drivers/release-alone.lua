-- Ends holds of locks that nobody waits for, as it is with most; see release.lua, which goes on with the others.

local replies, others = {}, {}
for index = 1, #KEYS do
  local state, hold = ARGV[2] == '?' and redis.call('LINDEX', KEYS[index], 0), ARGV[4 + index]
  -- Its only holder is the one that follows the first semicolon, and nothing else is in the list.
  local start = state and string.find(state, ';', 1, true)
  local stop = start and string.sub(state, start - 1, start - 1) ~= '+' and start + #hold + 1
  local isAlone = stop and string.sub(state, start + 1, stop) == hold .. ' ' and not string.find(state, ';', stop, true)
  if isAlone then
    local id = string.sub(hold, 1, string.find(hold, ' ', 1, true))
    -- A server that is full refuses it here, and not to a script that has written before.
    isAlone = not redis.pcall('LSET', KEYS[index], 0, string.sub(state, 1, 34) .. id .. 'r').err
  end
  if isAlone then
    replies[index] = 'r'
  else
    others[#others + 1] = index
  end
end
if #others == 0 then
  return replies
end
