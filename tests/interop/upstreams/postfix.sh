#!/usr/bin/env bash
# An upstream of Postfix with Dovecot behind its AUTH, both in a folder of their own and in the foreground until they are ended.
#
# Arguments: CERTIFICATE KEY FOLDER PORT PORT-WITHOUT-PIPELINING. Takes mail from whoever signs in as scanner@contoso.com with the
# password `secret`, refuses nobody@example.com, and delivers into FOLDER/mail/new. Needs root: Postfix gives its parts users of
# their own.
set -euo pipefail
certificate=$1 key=$2 folder=$3 port=$4 plain_port=$5
mkdir -p "$folder"/{postfix,queue,state,dovecot,mail}
# Their users must reach what is theirs.
chmod 755 "$folder" "$folder"/*
chown postfix "$folder/state"
chown -R nobody "$folder/mail"
install -m 644 "$certificate" "$folder/postfix/server.pem"
install -m 600 "$key" "$folder/postfix/server.key"
auth=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

cat >"$folder/dovecot/dovecot.conf" <<END
base_dir = $folder/dovecot/run
state_dir = $folder/dovecot/run
log_path = $folder/dovecot/log
protocols =
ssl = no
auth_mechanisms = plain login
disable_plaintext_auth = no
passdb {
  driver = passwd-file
  args = scheme=plain username_format=%u $folder/dovecot/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = $auth
  }
}
END
echo 'scanner@contoso.com:{PLAIN}secret' >"$folder/dovecot/users"
chmod 644 "$folder/dovecot/users"

cat >"$folder/postfix/main.cf" <<END
compatibility_level = 3.6
myhostname = upstream.example
mydestination =
queue_directory = $folder/queue
data_directory = $folder/state
maillog_file = $folder/log
maillog_file_prefixes = $folder
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = example.com
virtual_mailbox_maps = static:mail/
virtual_mailbox_base = $folder
virtual_minimum_uid = 1
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
virtual_mailbox_limit = 0
message_size_limit = 40000000
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = $folder/postfix/server.key, $folder/postfix/server.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$auth
smtpd_recipient_restrictions = check_recipient_access inline:{ { nobody@example.com = 550 5.1.1 No such mailbox } }, permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
END
cat >"$folder/postfix/master.cf" <<END
127.0.0.1:$port inet n - n - - smtpd
127.0.0.1:$plain_port inet n - n - - smtpd
  -o smtpd_discard_ehlo_keywords=pipelining,chunking
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
END

dovecot -F -c "$folder/dovecot/dovecot.conf" &
dovecot=$!
# Its master is a session of its own, which a signal to this script does not reach.
trap 'postfix -c "$folder/postfix" stop; kill $dovecot; wait; exit' TERM INT
postfix -c "$folder/postfix" start
echo started
wait
