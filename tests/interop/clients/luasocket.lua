-- LuaSocket. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
local smtp = require("socket.smtp")
local ltn12 = require("ltn12")
local mime = require("mime")

local port, recipients, text, attachment, subject, name = table.unpack(arg)
local function word(value) return "=?utf-8?B?" .. mime.b64(value) .. "?=" end
local rcpt = {}
for recipient in recipients:gmatch("[^,]+") do rcpt[#rcpt + 1] = "<" .. recipient .. ">" end

assert(smtp.send{
  server = "127.0.0.1", port = tonumber(port),
  from = "<copier@printers.local>", rcpt = rcpt,
  source = smtp.message{
    headers = { from = word(name) .. " <copier@printers.local>", to = recipients, subject = word(subject) },
    body = {
      {
        headers = { ["content-type"] = "text/plain; charset=utf-8", ["content-transfer-encoding"] = "8bit" },
        -- eol makes every line end CRLF; the dots are LuaSocket's own affair.
        body = mime.eol(0, assert(io.open(text)):read("a")),
      },
      {
        headers = {
          ["content-type"] = "application/pdf", ["content-transfer-encoding"] = "base64",
          ["content-disposition"] = 'attachment; filename="scan.pdf"',
        },
        body = ltn12.source.chain(ltn12.source.file(assert(io.open(attachment, "rb"))),
          ltn12.filter.chain(mime.encode("base64"), mime.wrap())),
      },
    },
  },
})
