// Go's net/smtp, which is given a whole message. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	port, recipients, subject, name := os.Args[1], os.Args[2], os.Args[5], os.Args[6]
	text, err := os.ReadFile(os.Args[3])
	must(err)
	attachment, err := os.ReadFile(os.Args[4])
	must(err)

	var message bytes.Buffer
	parts := multipart.NewWriter(&message)
	from := mail.Address{Name: name, Address: "copier@printers.local"}
	fmt.Fprintf(&message, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", from.String(), recipients, mime.QEncoding.Encode("utf-8", subject))
	fmt.Fprintf(&message, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n", parts.Boundary())

	part, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
	})
	must(err)
	quoted := quotedprintable.NewWriter(part)
	_, err = quoted.Write(text)
	must(err)
	must(quoted.Close())

	part, err = parts.CreatePart(textproto.MIMEHeader{
		"Content-Type":              {"application/pdf"},
		"Content-Transfer-Encoding": {"base64"},
		"Content-Disposition":       {mime.FormatMediaType("attachment", map[string]string{"filename": subject + ".pdf"})},
	})
	must(err)
	encoded := base64.StdEncoding.EncodeToString(attachment)
	for len(encoded) > 76 {
		fmt.Fprintf(part, "%s\r\n", encoded[:76])
		encoded = encoded[76:]
	}
	fmt.Fprint(part, encoded)
	must(parts.Close())

	must(smtp.SendMail("127.0.0.1:"+port, nil, "copier@printers.local", strings.Split(recipients, ","), message.Bytes()))
}
