// Arguments: PORT RECIPIENT TEXT-FILE ATTACHMENT
const [port, to, text, attachment] = process.argv.slice(2);
const nodemailer = require("nodemailer");
const transport = nodemailer.createTransport({ host: "127.0.0.1", port: Number(port) });
transport
  .sendMail({
    from: "Copier <copier@printers.local>",
    to,
    subject: "scan",
    text: require("fs").readFileSync(text, "utf8"),
    attachments: [{ path: attachment, contentType: "application/pdf" }],
  })
  .catch((error) => { console.error(error); process.exitCode = 1; });
