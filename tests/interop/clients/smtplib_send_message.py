"""Python's own modern way: EmailMessage and send_message. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME"""
import smtplib, sys
from email.headerregistry import Address
from email.message import EmailMessage

port, recipients, text, attachment, subject, name = sys.argv[1:]
message = EmailMessage()
message["Subject"], message["From"], message["To"] = subject, Address(name, "copier", "printers.local"), recipients
message["Bcc"] = "hidden@example.com"
message.set_content(open(text).read())
message.add_attachment(open(attachment, "rb").read(), maintype="application", subtype="pdf", filename=f"{subject}.pdf")
with smtplib.SMTP("127.0.0.1", int(port)) as smtp:
    smtp.send_message(message)
