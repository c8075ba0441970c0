# Mail libraries of many languages into the relay that `clients.sh` started. Sourced by `run`.

# hand RECIPIENTS COMMAND…: runs a program of `clients` with what all of them get.
hand() {
  local recipients=$1
  shift
  "$@" "$port" "$recipients" "$clients/text" "$clients/scan.pdf" "$subject" "$author"
}

# arrives RECIPIENTS HOW-TO-COMPARE…: what the programs send.
arrives() { arrived "$@" --subject "$subject" --text "$clients/text" --attachment "$clients/scan.pdf"; }

# sends CLIENT COMMAND…: text, an attachment, two recipients and a name.
sends() {
  local recipients=$1@example.com,$1-second@example.com
  shift
  hand "$recipients" "$@"
  arrives "$recipients" --name "$author"
}

needs_file() { [ -e "$1" ] || { echo "$2 is not installed"; exit 77; }; }

python_send_message() {
  needs python3
  sends send-message python3 "$here/clients/smtplib_send_message.py"
}

python_guide() {
  needs python3
  # It encodes the address together with the name.
  sends guide python3 "$here/clients/smtplib_guide.py"
}

node_mailer() {
  node_modules nodemailer
  NODE_PATH=$tools/node_modules sends nodemailer node "$here/clients/nodemailer.js"
}

php_mailer() {
  needs php
  needs_file /usr/share/php/libphp-phpmailer PHPMailer
  sends phpmailer php "$here/clients/phpmailer.php"
}

java_mail() {
  needs javac
  needs_file /usr/share/java/javax.mail.jar JavaMail
  sends javamail java -cp /usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar "$here/clients/JavaMail.java"
}

ruby_mail() {
  needs ruby
  ruby -e 'require "mail"' 2>/dev/null || { echo "mail for Ruby is not installed"; exit 77; }
  sends ruby ruby "$here/clients/mail.rb"
}

perl_net_smtp() {
  needs perl
  sends net-smtp perl "$here/clients/net_smtp.pl"
}

perl_mime_lite() {
  needs_file /usr/share/perl5/MIME/Lite.pm MIME::Lite
  sends mime-lite perl "$here/clients/mime_lite.pl"
}

go_net_smtp() {
  needs_file "$tools/net-smtp" "Go's net/smtp"
  sends go "$tools/net-smtp"
}

rust_lettre() {
  needs_file "$tools/lettre/debug/lettre-client" lettre
  sends lettre "$tools/lettre/debug/lettre-client"
}

lua_socket() {
  needs lua5.4
  lua5.4 -e 'require "socket.smtp"' 2>/dev/null || { echo "LuaSocket is not installed"; exit 77; }
  sends luasocket lua5.4 "$here/clients/luasocket.lua"
}

tcl_lib() {
  needs tclsh
  echo 'package require smtp' | tclsh >/dev/null 2>&1 || { echo "tcllib is not installed"; exit 77; }
  sends tcllib tclsh "$here/clients/tcllib.tcl"
}

mono_smtp_client() {
  needs mono
  needs_file "$tools/SmtpClient.exe" "the program for Mono"
  sends mono mono "$tools/SmtpClient.exe"
}

check "client: Python smtplib, send_message" python_send_message
check "client: Python smtplib, sendmail, as guides show it" python_guide
check "client: nodemailer" node_mailer
check "client: PHPMailer" php_mailer
check "client: JavaMail" java_mail
check "client: Ruby mail" ruby_mail
check "client: Perl Net::SMTP" perl_net_smtp
check "client: Perl MIME::Lite" perl_mime_lite
check "client: Go net/smtp" go_net_smtp
check "client: lettre" rust_lettre
check "client: LuaSocket" lua_socket
check "client: Tcllib" tcl_lib
check "client: .NET SmtpClient in Mono" mono_smtp_client
