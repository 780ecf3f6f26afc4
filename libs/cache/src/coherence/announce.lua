-- Appends messages to the log of changes, and publishes them.
-- KEYS[1]  the ID of the last message
-- KEYS[2]  the log, a stream
-- ARGV[1]  the channel
-- ARGV[2]  a random number that makes the IDs of this call like no others
-- ARGV[3]  how many messages the log keeps, about
-- ARGV[4]  how long it keeps them after the last one, milliseconds
-- ARGV[5]  how long the last ID is remembered, milliseconds
-- ARGV[6...]  the keys of a message each, as a JSON array
-- Returns  the ID of the last message
-- Invariant: a message names the one before it. After the last ID was lost (FLUSHALL, eviction) the first message names
-- one that nobody has seen. So whoever has seen the message that the next one names has missed none.
local last = redis.call('GET', KEYS[1])
local sequence, random = string.match(last or '', '^(%d+)%-(%d+)$')
if not sequence or #sequence > 15 or #random > 15 then
  redis.call('UNLINK', KEYS[2])
  sequence = 0
  last = '0-' .. ARGV[2]
end
local messages = {}
for index = 6, #ARGV do
  sequence = sequence + 1
  local id = string.format('%d-%s', sequence, ARGV[2])
  local message = '{"after":"' .. last .. '","id":"' .. id .. '","keys":' .. ARGV[index] .. '}'
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], id, 'message', message)
  messages[#messages + 1] = message
  last = id
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('SET', KEYS[1], last, 'PX', ARGV[5])
-- Last: where the ACL forbids the channel, the log must be whole all the same.
for _, message in ipairs(messages) do
  redis.call('PUBLISH', ARGV[1], message)
end
return last
