# Programs of the command line into the relay, the simulated Microsoft 365 behind it. Sourced by `run`.

clients=$work/clients
mkdir -p "$clients"/{sent,home}
# As programs show them that can; the others get by with ASCII.
subject="Prüfbericht Straße 7" author="Kopierer Büro"
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
# Clients speak through the tap, so that what arrived can be compared with every octet that they sent.
start "$clients/tap" python3 "$here/tap.py" "$port" "$clients/sent"
port=$(said "$clients/tap" '^listens ([0-9]+)')

# files_for RECIPIENTS: the messages that arrived for these, which are separated by commas.
files_for() {
  # The addresses stand between "to" and the size, each with a comma behind it.
  grep '^arrived: ' "$clients/simulator" | grep -n -F -e " ${1//,/, }," | sed "s|:.*|.eml|; s|^|$clients/mail/|"
}

has_arrived() { [ "$(files_for "$1" | wc -l)" -ge "$2" ]; }

# all_arrived RECIPIENTS NUMBER HOW-TO-COMPARE…: so many messages for them arrived, each as the alias and as it was sent.
all_arrived() {
  local recipients=$1 wanted=$2 files
  shift 2
  within 60 has_arrived "$recipients" "$wanted" || { tail -3 "$clients/relay.out.err"; return 1; }
  mapfile -t files < <(files_for "$recipients")
  [ ${#files[@]} = "$wanted" ] || { echo "${#files[@]} messages are for $recipients"; return 1; }
  python3 "$here/arrived.py" "${files[@]}" --from noreply@contoso.com --sent "$clients/sent/${recipients%%,*}"-*.eml "$@"
}

# arrived RECIPIENTS HOW-TO-COMPARE…: one message.
arrived() {
  local recipients=$1
  shift
  all_arrived "$recipients" 1 "$@"
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
  arrived swaks-attachment@example.com,second@example.com --subject scan --attachment "$clients/scan.pdf"
}

swaks_helo() {
  needs swaks
  swaks --silent 2 --server 127.0.0.1 --port "$port" --protocol SMTP --helo "Copier 2nd floor" --from copier@printers.local \
    --to swaks-helo@example.com --data "@$clients/lf.eml"
  arrived swaks-helo@example.com --name Copier --same "$clients/lf.eml"
}

curl_file() {
  needs curl
  curl -sS "smtp://127.0.0.1:$port/copier" --mail-from copier@printers.local --mail-rcpt "curl-$1@example.com" \
    --mail-rcpt "curl-$1-second@example.com" -T "$clients/$1.eml"
  arrived "curl-$1@example.com,curl-$1-second@example.com" --name Copier --same "$clients/$1.eml"
}

msmtp_file() {
  needs msmtp
  msmtp --file=/dev/null --host=127.0.0.1 --port="$port" --tls=off --auth=off --from=copier@printers.local msmtp@example.com \
    <"$clients/lf.eml"
  arrived msmtp@example.com --name Copier --same "$clients/lf.eml"
}

esmtp_settings() {
  needs esmtp
  printf 'hostname = 127.0.0.1:%s\nstarttls = disabled\n' "$port" >"$clients/esmtprc"
  chmod 600 "$clients/esmtprc"
}

esmtp_file() {
  esmtp_settings
  esmtp -C "$clients/esmtprc" -f copier@printers.local esmtp@example.com <"$clients/lf.eml"
  arrived esmtp@example.com --name Copier --same "$clients/lf.eml"
}

bsd_mailx() {
  needs bsd-mailx
  esmtp_settings
  printf '#!/bin/sh\nexec esmtp -C %q "$@"\n' "$clients/esmtprc" >"$clients/sendmail"
  chmod 755 "$clients/sendmail"
  echo "set sendmail=$clients/sendmail" >"$clients/mailrc"
  MAILRC=$clients/mailrc bsd-mailx -n -s scan -r copier@printers.local -a "Content-Type: text/plain; charset=utf-8" \
    bsd-mailx@example.com <"$clients/text"
  arrived bsd-mailx@example.com --subject scan --text "$clients/text"
}

s_nail() {
  needs s-nail
  MAILRC=/dev/null s-nail -n -S v15-compat -S "mta=smtp://127.0.0.1:$port" -S smtp-config=-all,ehlo -S smtp-auth=none \
    -S ttycharset=utf-8 -S sendcharsets=utf-8 -r "$author <copier@printers.local>" -s "$subject" -a "$clients/scan.pdf" \
    s-nail@example.com <"$clients/text"
  arrived s-nail@example.com --name "$author" --subject "$subject" --text "$clients/text" --attachment "$clients/scan.pdf"
}

mutt_batch() {
  needs mutt
  HOME=$clients/home mutt -n -F /dev/null -e "set smtp_url=smtp://127.0.0.1:$port ssl_force_tls=no copy=no charset=utf-8" \
    -e "set use_from=yes use_envelope_from=yes from=copier@printers.local realname='$author'" -s "$subject" -a "$clients/scan.pdf" -- \
    mutt@example.com mutt-second@example.com <"$clients/text"
  arrived mutt@example.com,mutt-second@example.com --name "$author" --subject "$subject" --text "$clients/text" \
    --attachment "$clients/scan.pdf"
}

mailutils_mail() {
  needs mail.mailutils
  # It writes no From at all, letters beyond ASCII in a subject as raw octets, and one Content-Type for text and attachment.
  HOME=$clients/home mail.mailutils --no-config -E "set sendmail=smtp://127.0.0.1:$port" -E "set nodot" -r copier@printers.local \
    -s "$subject" --content-type="text/plain; charset=utf-8" --attach="$clients/scan.pdf" mailutils@example.com <"$clients/text"
  arrived mailutils@example.com --subject "$subject" --text "$clients/text" --attachment "$clients/scan.pdf"
}

send_email() {
  needs sendemail
  # It stuffs no dots, so it gets a text without any.
  grep -v '^\.' "$clients/text" >"$clients/undotted"
  sendemail -q -f copier@printers.local -t sendemail@example.com -u scan -o tls=no -o message-charset=utf-8 \
    -o "message-file=$clients/undotted" -s "127.0.0.1:$port" -a "$clients/scan.pdf"
  arrived sendemail@example.com --subject scan --text "$clients/undotted" --attachment "$clients/scan.pdf"
}

# 200 messages over 10 connections at once; each arrives once.
smtp_source() {
  needs smtp-source
  smtp-source -s 10 -m 200 -l 4000 -f copier@printers.local -t burst@example.com "127.0.0.1:$port"
  all_arrived burst@example.com 200
}

check "client: swaks, text" swaks_plain
check "client: swaks, pipelined, attachment, two recipients" swaks_attachment
check "client: swaks, HELO with a name that is none" swaks_helo
check "client: curl, CRLF file" curl_file crlf
check "client: curl, LF file" curl_file lf
check "client: msmtp" msmtp_file
check "client: esmtp" esmtp_file
check "client: bsd-mailx, through esmtp" bsd_mailx
check "client: s-nail" s_nail
check "client: mutt" mutt_batch
check "client: mailutils" mailutils_mail
check "client: sendemail" send_email
check "client: smtp-source, 200 messages over 10 connections" smtp_source
