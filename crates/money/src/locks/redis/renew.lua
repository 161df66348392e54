-- Renews those of these wallets that the hold still owns.
-- KEYS: the wallets' locks. ARGV: the hold, the expiry in ms.
-- Returns how many wallets the hold owns.
local hold, expiry = ARGV[1] .. ':', ARGV[2]
local owned = 0
local chunk = 1000
for first = 1, #KEYS, chunk do
  local last = math.min(first + chunk - 1, #KEYS)
  for i, found in ipairs(redis.call('MGET', unpack(KEYS, first, last))) do
    if found and string.sub(found, 1, #hold) == hold then
      owned = owned + 1
      redis.call('PEXPIRE', KEYS[first + i - 1], expiry)
    end
  end
end
return owned
