# The relay in front of real servers. Sourced by `run`.

certificates=("$PWD/certs/server.pem" "$PWD/certs/server.key")

# relay_to NAME PORT AUTH-LINE: a relay whose only account signs in at localhost:PORT.
relay_to() {
  local folder=$work/$1
  mkdir -p "$folder"
  (umask 077 && echo secret >"$folder/secret")
  cat >"$folder/mailferry.yaml" <<END
hostname: relay.example
data_dir: $folder/data
http: off
listeners: [{ address: "127.0.0.1:0" }]
retry: { first: 200ms, longest: 1s }
accounts:
  office:
    provider: custom
    host: localhost
    port: $2
    mailbox: scanner@contoso.com
    aliases: [noreply@contoso.com]
    auth: { $3 }
    tls: { ca_file: $PWD/certs/ca.pem }
senders: [{ from: noreply@contoso.com }]
END
  relay "$folder"
}

password='method: password, password: { file: secret }'

hand_in() {
  python3 - "$port" "$@" <<'PYTHON'
import smtplib, sys
port, file, *recipients = sys.argv[1:]
with smtplib.SMTP("127.0.0.1", int(port)) as smtp:
    smtp.sendmail("copier@printers.local", recipients, open(file, "rb").read())
PYTHON
}

# new_in FOLDER: the message that came to FOLDER and was not there before.
new_in() { find "$1" -type f ! -name '*.to' ! -name '*.part' -newer "$work/mark" | head -1; }
something_new() { [ -n "$(new_in "$1")" ]; }

queue() { "$mailferry" queue list --json --config "$work/$1/mailferry.yaml"; }
queue_is_empty() { ! queue "$1" | grep -q '"id"'; }
one_is_refused() { queue "$1" | grep -q '"state": *"refused"'; }

# A Maildir holds bare LF; the other servers write down what came.
compare() {
  local stored=
  case $1 in */new) stored=--stored ;; esac
  python3 "$here/arrived.py" "$(new_in "$1")" --from noreply@contoso.com --sent "$2" $stored
}

# takes RELAY FOLDER: a message arrives whole, and leaves the queue.
takes() {
  touch "$work/mark"
  hand_in "$clients/crlf.eml" anna@example.com
  within 30 something_new "$2" || { tail -3 "$work/$1/relay.out.err"; return 1; }
  compare "$2" "$clients/crlf.eml"
  within 10 queue_is_empty "$1"
}

# takes_large RELAY FOLDER: the same with several megabytes, every line of them beginning with a dot.
takes_large() {
  { cat "$clients/crlf.eml"; yes "$(printf '.%070d\r' 7)" | head -60000 || true; } >"$work/large.eml"
  touch "$work/mark"
  hand_in "$work/large.eml" anna@example.com
  within 60 something_new "$2" || { tail -3 "$work/$1/relay.out.err"; return 1; }
  compare "$2" "$work/large.eml"
}

# refuses_one RELAY FOLDER: of three recipients two get the message, and the third is shown with the server's words.
refuses_one() {
  touch "$work/mark"
  hand_in "$clients/crlf.eml" anna@example.com nobody@example.com ben@example.com
  within 30 something_new "$2" || { tail -3 "$work/$1/relay.out.err"; return 1; }
  within 10 one_is_refused "$1"
  queue "$1" >"$work/queue.json"
  python3 - "$work/queue.json" <<'PYTHON'
import json, sys
entry, = (json.loads(line) for line in open(sys.argv[1]))
states = {person["address"]: person["state"] for person in entry["recipients"]}
assert states == {"anna@example.com": "delivered", "nobody@example.com": "refused", "ben@example.com": "delivered"}, states
reply = next(person["reply"] for person in entry["recipients"] if person["state"] == "refused")
assert reply.startswith("550 5.1.1 "), reply
PYTHON
}

# smuggles_nothing FOLDER QUEUE: as many messages arrive as were handed in, although each holds a second one.
smuggles_nothing() {
  local taken
  touch "$work/mark"
  taken=$(python3 "$here/smuggle.py" "$port")
  arrived_in() { find "$1" -type f -newer "$work/mark" | wc -l; }
  all_there() { [ "$(arrived_in "$1")" -ge "$taken" ] && [ -z "$(find "$2"/{incoming,active,deferred} -type f)" ]; }
  within 30 all_there "$1" "$2" || { echo "$(arrived_in "$1") of $taken arrived"; return 1; }
  [ "$(arrived_in "$1")" = "$taken" ]
  ! find "$1" -type f -newer "$work/mark" -exec grep -l '^Delivered-To: smuggled' {} +
}

all_of() {
  check "upstream: $1: a message" takes "$2" "$3"
  check "upstream: $1: a large message, dots" takes_large "$2" "$3"
  check "upstream: $1: a refused recipient" refuses_one "$2" "$3"
}

smtp_server() {
  local name=$1 mechanism=$2 auth=$3 log=$work/$1-server
  shift 3
  mkdir -p "$work/$name-mail"
  start "$log" env NODE_PATH="$tools/node_modules" node "$here/upstreams/smtp-server.js" "${certificates[@]}" "$work/$name-mail" "$mechanism" "$@"
  auth=${auth/TOKENS/$(said "$log" '^tokens ([0-9]+)')}
  relay_to "$name" "$(said "$log" '^smtp ([0-9]+)')" "$auth"
}

if [ -d "$tools/node_modules/smtp-server" ]; then
  smtp_server xoauth2 XOAUTH2 \
    'method: oauth, client_id: relay, client_secret: { file: secret }, token_url: "http://127.0.0.1:TOKENS/token", scope: smtp'
  all_of "smtp-server, XOAUTH2" xoauth2 "$work/xoauth2-mail"
  smtp_server login LOGIN "$password" no-pipelining
  all_of "smtp-server, LOGIN, no PIPELINING" login "$work/login-mail"
else
  skip "upstream: smtp-server" "it is not installed"
fi

if "$tools/venv/bin/python" -c 'import aiosmtpd' 2>/dev/null; then
  for hidden in LOGIN PLAIN; do
    mkdir -p "$work/aiosmtpd-$hidden-mail"
    start "$work/aiosmtpd-$hidden-server" "$tools/venv/bin/python" "$here/upstreams/aiosmtpd_server.py" \
      "${certificates[@]}" "$work/aiosmtpd-$hidden-mail" $hidden
    relay_to "aiosmtpd-$hidden" "$(said "$work/aiosmtpd-$hidden-server" '^smtp ([0-9]+)')" "$password"
    all_of "aiosmtpd, AUTH without $hidden" "aiosmtpd-$hidden" "$work/aiosmtpd-$hidden-mail"
  done
else
  skip "upstream: aiosmtpd" "it is not installed"
fi

if [ "$(id -u)" = 0 ] && command -v postfix >/dev/null && command -v dovecot >/dev/null; then
  folder=$work/postfix port_of_smtpd=$(free_port) port_of_other=$(free_port)
  mkdir -p "$folder"/mail/{new,tmp,cur}
  chmod 755 "$work"
  start "$folder.out" "$here/upstreams/postfix.sh" "${certificates[@]}" "$folder" "$port_of_smtpd" "$port_of_other"
  said "$folder.out" '(started)' >/dev/null
  listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
  within 30 listens "$port_of_smtpd" || cat "$folder.out.err" "$folder/log"
  relay_to to-postfix "$port_of_smtpd" "$password"
  all_of "Postfix and Dovecot" to-postfix "$folder/mail/new"
  relay_to to-other "$port_of_other" "$password"
  all_of "Postfix and Dovecot, no PIPELINING" to-other "$folder/mail/new"
  check "upstream: Postfix and Dovecot: nothing is smuggled" smuggles_nothing "$folder/mail/new" "$folder/queue"
else
  skip "upstream: Postfix and Dovecot" "they are not installed, or this is not root"
fi
