-- Words that are made, counted, sorted and replaced: strings, hash tables, patterns and calls of C functions.
--
--     lua5.4 words.lua 120000
local wanted = tonumber(arg[1]) or 120000
local state = 42
local function random(n)
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % n
end

local pieces = { "an", "ber", "cor", "du", "el", "fi", "gam", "ho", "is", "ju", "kel", "lo" }
local words = {}
for i = 1, wanted do
    local word = {}
    for k = 1, 1 + random(3) do word[k] = pieces[1 + random(#pieces)] end
    words[i] = table.concat(word)
end

local counts, names = {}, {}
for _, word in ipairs(words) do
    if not counts[word] then
        counts[word] = 0
        names[#names + 1] = word
    end
    counts[word] = counts[word] + 1
end
table.sort(names, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
end)
for i = 1, 5 do print(string.format("%6d %s", counts[names[i]], names[i])) end

local text = table.concat(words, " ")
local changed, times = text:gsub("(%a+)el(%a*)", function(before, after) return after .. "-" .. before:upper() end)
local sum = 0
for position = 1, #changed, 7 do sum = (sum * 31 + changed:byte(position)) & 0xffffffff end
print(#names, times, #changed, sum)
