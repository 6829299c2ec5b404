-- Permutations of 1 … n and the longest run of prefix reversals (fannkuch-redux of the Computer Language Benchmarks
-- Game): integer arithmetic and table accesses.
--
--     lua5.4 fannkuch.lua 9
local function fannkuch(n)
    local p, q, s = {}, {}, {}
    local sign, most, checksum = 1, 0, 0
    for i = 1, n do p[i], q[i], s[i] = i, i, i end
    while true do
        local first = p[1]
        if first ~= 1 then
            for i = 2, n do q[i] = p[i] end
            local flips = 1
            while true do
                local second = q[first]
                if second == 1 then break end
                q[first] = first
                if first >= 4 then
                    local i, j = 2, first - 1
                    repeat
                        q[i], q[j] = q[j], q[i]
                        i, j = i + 1, j - 1
                    until i >= j
                end
                first, flips = second, flips + 1
            end
            if flips > most then most = flips end
            checksum = checksum + sign * flips
        end
        if sign == 1 then
            p[1], p[2], sign = p[2], p[1], -1
        else
            p[2], p[3], sign = p[3], p[2], 1
            for i = 3, n do
                local left = s[i]
                if left ~= 1 then
                    s[i] = left - 1
                    break
                end
                if i == n then return checksum, most end
                s[i] = i
                local moved = p[1]
                for j = 1, i do p[j] = p[j + 1] end
                p[i + 1] = moved
            end
        end
    end
end

local n = tonumber(arg[1]) or 9
local checksum, most = fannkuch(n)
print(checksum)
print(string.format("Pfannkuchen(%d) = %d", n, most))
