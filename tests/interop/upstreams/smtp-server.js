// An upstream of npm's smtp-server: STARTTLS, then AUTH, and a token endpoint beside it.
//
// Arguments: CERTIFICATE KEY FOLDER MECHANISM [no-pipelining]. Prints both ports. Takes mail from whoever signs in as
// scanner@contoso.com with the password `secret` or with the token it gave, refuses nobody@example.com, and writes each message
// to FOLDER as 1.eml and 1.to.
const fs = require("fs");
const http = require("http");
const { SMTPServer } = require("smtp-server");

const [certificate, key, folder, mechanism, ...options] = process.argv.slice(2);
const token = require("crypto").randomBytes(600).toString("base64url");
let messages = 0;

const smtp = new SMTPServer({
  cert: fs.readFileSync(certificate),
  key: fs.readFileSync(key),
  authMethods: [mechanism],
  hidePIPELINING: options.includes("no-pipelining"),
  onAuth(auth, session, done) {
    const proven = auth.method === "XOAUTH2" ? auth.accessToken === token : auth.password === "secret";
    const good = session.secure && auth.method === mechanism && auth.username === "scanner@contoso.com" && proven;
    done(good ? null : new Error("Invalid login"), good ? { user: auth.username } : undefined);
  },
  onRcptTo(address, session, done) {
    if (address.address !== "nobody@example.com") return done();
    done(Object.assign(new Error("5.1.1 No such mailbox"), { responseCode: 550 }));
  },
  onData(stream, session, done) {
    const pieces = [];
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("end", () => {
      messages += 1;
      fs.writeFileSync(`${folder}/${messages}.to`, session.envelope.rcptTo.map((to) => to.address).join("\n") + "\n");
      // Whoever looks for the message finds it whole.
      fs.writeFileSync(`${folder}/${messages}.part`, Buffer.concat(pieces));
      fs.renameSync(`${folder}/${messages}.part`, `${folder}/${messages}.eml`);
      done(null, "OK");
    });
  },
});

// RFC 6749 section 4.4, client credentials.
const tokens = http.createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    const asked = new URLSearchParams(body);
    const good = asked.get("grant_type") === "client_credentials" && asked.get("client_secret") === "secret";
    response.writeHead(good ? 200 : 401, { "Content-Type": "application/json" });
    response.end(JSON.stringify(good ? { token_type: "Bearer", access_token: token, expires_in: 3599 } : { error: "invalid_client" }));
  });
});

smtp.on("error", (error) => console.error(error.message));
smtp.listen(0, "127.0.0.1", () =>
  tokens.listen(0, "127.0.0.1", () => console.log(`smtp ${smtp.server.address().port}\ntokens ${tokens.address().port}`)),
);
