# Ruby's mail over net-smtp. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
require "mail"

port, recipients, text, attachment, subject, name = ARGV
message = Mail.new(charset: "UTF-8") do
  from    "\"#{name}\" <copier@printers.local>"
  to      recipients.split(",")
  bcc     "hidden.ruby@example.com"
  subject subject
  body    File.read(text, encoding: "UTF-8")
  add_file filename: "scan.pdf", content: File.binread(attachment)
end
message.delivery_method :smtp, address: "127.0.0.1", port: Integer(port), enable_starttls_auto: false
message.deliver!
