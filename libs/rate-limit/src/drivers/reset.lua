-- Forgets what some rules know of a subject, or sets and ends a block.
--
-- KEYS[1]  the state of the subject, see decide.lua
-- ARGV[1]  'reset', or for a block its length in microseconds, 0 to end it
-- ARGV[2..] the ids of the rules
-- Returns  the number of records that it removed or wrote

local read, write, part = struct.unpack, struct.pack, string.sub
local BLOCK = 32768

local state = redis.pcall('GET', KEYS[1])
if type(state) ~= 'string' then
  state = '\0'
end
local wanted, forgets = {}, ARGV[1] == 'reset'
for index = 2, #ARGV do
  wanted[tonumber(ARGV[index]) + BLOCK] = true
  if forgets then
    wanted[tonumber(ARGV[index])] = true
  end
end
local kept, count = { '\0' }, 0
-- Bytes that no script of ours has written hold nothing that could be kept.
pcall(function()
  local head = 1
  if read('B', state) > 0 then
    head = 5 + read('B', state) * 4
  end
  assert(head <= #state)
  local found, removed, at = { part(state, 1, head) }, 0, head + 1
  while at <= #state do
    local id, length = read('>I2B', state, at)
    local from = at
    at = at + 3
    if length == 255 then
      length = read('>I2', state, at)
      at = at + 2
    end
    at = at + length
    if wanted[id] then
      removed = removed + 1
    else
      found[#found + 1] = part(state, from, at - 1)
    end
  end
  kept, count = found, removed
end)
local life = redis.call('PTTL', KEYS[1])
local length = tonumber(ARGV[1]) or 0
if length > 0 then
  local time = redis.call('TIME')
  local until_us = time[1] * 1000000 + time[2] + length
  for index = 2, #ARGV do
    kept[#kept + 1] = write('>I2B', tonumber(ARGV[index]) + BLOCK, 7) .. write('>I7', until_us)
    count = count + 1
  end
  life = math.max(life, math.ceil(length / 1000))
end
if #kept == 1 then
  redis.call('DEL', KEYS[1])
elseif count > 0 then
  redis.call('SET', KEYS[1], table.concat(kept), 'PX', math.max(life, 1))
end
return count
