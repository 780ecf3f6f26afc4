-- Begins every script, but for release-alone.lua. Times are microseconds, by the clock of Redis.
--
-- A lock is a list: its state, who beats, and then the waiters in the order of their arrival. The first two are
--   <last token> <when the list expires> <id of the hold that ended last, or -> <how: r eleased, e xpired, s tolen, f orced, or -><+ if
--     more than the state is in the list>
--     and for each holder ;<id> <token> <weight> <valid since> <for how long> <delay>
--   <latest time>;<process>=<alive until>;<process>=<alive until>;
-- and a waiter is its claim, `<id> <weight> <permits> <time to live> <delay>`. An id is `<process>:<number>`. Times have 16 digits, until
-- the year 2286, so their texts compare as they do, and stand where they stand.

-- For so long a token is remembered after its hold has ended.
local KEPT = 600000000
-- A process that does not beat for so long is dead to who waits behind it; and what who has not just asked is granted.
local LIVE, HANDED = 3000000, 3000000

local time = redis.call('TIME')
-- In one text and as a number: numbers of Lua lose digits as texts.
local nowText = time[1] .. string.sub('000000' .. time[2], -6)
local now = tonumber(nowText)
