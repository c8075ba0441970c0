"""The way that guides for smtp.office365.com show, without the lines for TLS and login.

Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
"""
import smtplib, sys
from email import encoders
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

port, recipients, text, attachment, subject, name = sys.argv[1:]
message = MIMEMultipart()
# What it makes of letters beyond ASCII is one encoded word with the address in it.
message["From"] = f"{name} <copier@printers.local>"
message["To"] = recipients
message["Subject"] = subject
message.attach(MIMEText(open(text).read(), "plain"))
part = MIMEBase("application", "octet-stream")
part.set_payload(open(attachment, "rb").read())
encoders.encode_base64(part)
part.add_header("Content-Disposition", "attachment; filename=scan.pdf")
message.attach(part)
server = smtplib.SMTP("127.0.0.1", int(port))
server.sendmail("copier@printers.local", recipients.split(","), message.as_string())
server.quit()
