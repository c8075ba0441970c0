# Real clients into the relay, the simulated Microsoft 365 behind it. Sourced by `run`.

clients=$work/clients
mkdir -p "$clients"
# Lines that begin with dots, that are dots, that are long; letters beyond ASCII.
python3 - "$clients" <<'PYTHON'
import random, sys
text = "First line.\n.begins with a dot\n.\n..\n\nGrüße aus Köln\n" + "long " * 120 + "\nLast line.\n"
open(f"{sys.argv[1]}/text", "w").write(text)
open(f"{sys.argv[1]}/scan.pdf", "wb").write(b"%PDF-1.4\n" + random.Random(1).randbytes(200_000))
mail = ("From: Copier <copier@printers.local>\nTo: somebody@example.com\nSubject: Scan of\n\tto-day\nX-Odd:   kept  as it is \n"
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + text)
open(f"{sys.argv[1]}/lf.eml", "w").write(mail)
open(f"{sys.argv[1]}/crlf.eml", "w", newline="\r\n").write(mail)
PYTHON

start "$clients/simulator" "$mailferry" simulate --dir "$clients" --save "$clients/mail" \
  --smtp 127.0.0.1:0 --token 127.0.0.1:0 --listener 127.0.0.1:0
said "$clients/simulator" '(Rehearse) with it' >/dev/null
sed -i -E 's/^( +)aliases: .*/&\n\1limits: { messages_per_minute: none }/' "$clients/mailferry.yaml"
relay "$clients"

# arrived RECIPIENT HOW-TO-COMPARE…: one message for the recipient arrived, as the alias, and is what was sent.
arrived() {
  local recipient=$1 numbers
  shift
  # The address stands between "to" or a comma and a comma.
  within 30 grep -q -e " $recipient," "$clients/simulator" || { tail -3 "$clients/relay.out.err"; return 1; }
  numbers=$(grep '^arrived: ' "$clients/simulator" | grep -n -e " $recipient," | cut -d: -f1)
  [ "$(wc -w <<<"$numbers")" = 1 ] || { echo "messages $numbers are all for $recipient"; return 1; }
  python3 "$here/arrived.py" "$clients/mail/$numbers.eml" --from noreply@contoso.com "$@"
}

swaks_plain() {
  needs swaks
  swaks --silent 2 --server 127.0.0.1 --port "$port" --from copier@printers.local --to swaks@example.com \
    --header "Subject: scan" --add-header "Content-Type: text/plain; charset=utf-8" --body "@$clients/text"
  arrived swaks@example.com --subject scan --text "$clients/text"
}

swaks_attachment() {
  needs swaks
  swaks --silent 2 --server 127.0.0.1 --port "$port" --pipeline --from copier@printers.local \
    --to swaks-attachment@example.com,second@example.com --header "Subject: scan" --body "Here it is." \
    --attach-type application/pdf --attach "@$clients/scan.pdf"
  arrived swaks-attachment@example.com --subject scan --attachment "$clients/scan.pdf"
}

swaks_helo() {
  needs swaks
  swaks --silent 2 --server 127.0.0.1 --port "$port" --protocol SMTP --helo "Copier 2nd floor" --from copier@printers.local \
    --to swaks-helo@example.com --data "@$clients/lf.eml"
  arrived swaks-helo@example.com --same "$clients/lf.eml"
}

curl_file() {
  needs curl
  curl -sS "smtp://127.0.0.1:$port/copier" --mail-from copier@printers.local --mail-rcpt "curl-$1@example.com" -T "$clients/$1.eml"
  arrived "curl-$1@example.com" --same "$clients/$1.eml"
}

msmtp_file() {
  needs msmtp
  msmtp --file=/dev/null --host=127.0.0.1 --port="$port" --tls=off --auth=off --from=copier@printers.local msmtp@example.com \
    <"$clients/lf.eml"
  arrived msmtp@example.com --same "$clients/lf.eml"
}

python_smtplib() {
  needs python3
  python3 "$here/clients/smtplib_$1.py" "$port" "smtplib-$1@example.com" "$clients/text" "$clients/scan.pdf"
  arrived "smtplib-$1@example.com" --subject scan --text "$clients/text" --attachment "$clients/scan.pdf"
}

s_nail() {
  needs s-nail
  MAILRC=/dev/null s-nail -n -S v15-compat -S "mta=smtp://127.0.0.1:$port" -S smtp-config=-all,ehlo -S smtp-auth=none -S ttycharset=utf-8 -S sendcharsets=utf-8 \
    -r copier@printers.local -s scan -a "$clients/scan.pdf" s-nail@example.com <"$clients/text"
  arrived s-nail@example.com --subject scan --text "$clients/text" --attachment "$clients/scan.pdf"
}

send_email() {
  needs sendemail
  # It stuffs no dots, so it gets a text without any.
  grep -v '^\.' "$clients/text" >"$clients/undotted"
  sendemail -q -f copier@printers.local -t sendemail@example.com -u scan -o tls=no -o message-charset=utf-8 \
    -o "message-file=$clients/undotted" -s "127.0.0.1:$port" -a "$clients/scan.pdf"
  arrived sendemail@example.com --subject scan --text "$clients/undotted" --attachment "$clients/scan.pdf"
}

node_mailer() {
  node_modules nodemailer
  NODE_PATH=$tools/node_modules node "$here/clients/nodemailer.js" "$port" nodemailer@example.com "$clients/text" "$clients/scan.pdf"
  arrived nodemailer@example.com --subject scan --text "$clients/text" --attachment "$clients/scan.pdf"
}

php_mailer() {
  needs php
  [ -d /usr/share/php/libphp-phpmailer ] || { echo "PHPMailer is not installed"; exit 77; }
  php "$here/clients/phpmailer.php" "$port" phpmailer@example.com "$clients/text" "$clients/scan.pdf"
  arrived phpmailer@example.com --subject scan --text "$clients/text" --attachment "$clients/scan.pdf"
}

# 200 messages over 10 connections at once; each arrives once.
smtp_source() {
  needs smtp-source
  smtp-source -s 10 -m 200 -l 4000 -f copier@printers.local -t burst@example.com "127.0.0.1:$port"
  burst_arrived() { [ "$(grep -c ' burst@example.com,' "$clients/simulator")" -ge 200 ]; }
  within 60 burst_arrived
  [ "$(grep -c ' burst@example.com,' "$clients/simulator")" = 200 ] || { echo "more than 200 arrived"; return 1; }
}

check "client: swaks, text" swaks_plain
check "client: swaks, pipelined, attachment, two recipients" swaks_attachment
check "client: swaks, HELO with a name that is none" swaks_helo
check "client: curl, CRLF file" curl_file crlf
check "client: curl, LF file" curl_file lf
check "client: msmtp" msmtp_file
check "client: Python smtplib, send_message" python_smtplib send_message
check "client: Python smtplib, sendmail, as guides show it" python_smtplib guide
check "client: s-nail" s_nail
check "client: sendemail" send_email
check "client: nodemailer" node_mailer
check "client: PHPMailer" php_mailer
check "client: smtp-source, 200 messages over 10 connections" smtp_source
