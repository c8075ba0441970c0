# Mail libraries into the relay that `clients.sh` started. Sourced by `run`.

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
  local recipients=guide@example.com,guide-second@example.com
  hand "$recipients" python3 "$here/clients/smtplib_guide.py"
  # It encodes the address together with the name, so there is no saying what the name is.
  arrives "$recipients"
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

check "client: Python smtplib, send_message" python_send_message
check "client: Python smtplib, sendmail, as guides show it" python_guide
check "client: nodemailer" node_mailer
check "client: PHPMailer" php_mailer
