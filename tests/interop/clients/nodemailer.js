// Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
const [port, to, text, attachment, subject, name] = process.argv.slice(2);
const nodemailer = require("nodemailer");
const transport = nodemailer.createTransport({ host: "127.0.0.1", port: Number(port) });
transport
  .sendMail({
    from: { name, address: "copier@printers.local" },
    to,
    subject,
    text: require("fs").readFileSync(text, "utf8"),
    attachments: [{ path: attachment, filename: `${subject}.pdf`, contentType: "application/pdf" }],
  })
  .catch((error) => { console.error(error); process.exitCode = 1; });
