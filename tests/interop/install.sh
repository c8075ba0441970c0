# Installs the clients and servers that are missing. Sourced by `run`.

install_debian() {
  local missing=() package policy=/usr/sbin/policy-rc.d ours=
  for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${missing[*]} (needs Debian and root)"
    return
  fi
  # No server is to be started by its installation.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && ours=yes
  fi
  apt-get update -q >/dev/null || true
  echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
  for package in "${missing[@]}"; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package" >"$work/apt.log" 2>&1 ||
      echo "cannot install $package: $(grep -m1 '^E:' "$work/apt.log")"
  done
  [ -z "$ours" ] || rm $policy
}

# What npm, pip, cargo, go and mcs give stays below target, for the next run.
install_libraries() {
  mkdir -p "$tools"
  if command -v npm >/dev/null && [ ! -d "$tools/node_modules/smtp-server" ]; then
    npm install --silent --no-audit --no-fund --no-save --prefix "$tools" nodemailer@7 smtp-server@3 >"$work/npm.log" 2>&1 ||
      echo "cannot install with npm: $(tail -1 "$work/npm.log")"
  fi
  if [ ! -d "$tools/venv/bin" ] || ! "$tools/venv/bin/python" -c 'import aiosmtpd' 2>/dev/null; then
    { python3 -m venv "$tools/venv" && "$tools/venv/bin/pip" install -q aiosmtpd==1.4.6; } >"$work/pip.log" 2>&1 ||
      echo "cannot install with pip: $(tail -1 "$work/pip.log")"
  fi
}

# built OUTPUT COMMAND…: compiles, if there is a compiler; what it cannot make is missing afterwards.
built() {
  local output=$1
  shift
  command -v "$1" >/dev/null || return 0
  rm -f "$output"
  "$@" >"$work/build.log" 2>&1 || echo "cannot build ${output##*/}: $(grep -m1 -i error "$work/build.log")"
}

build_clients() {
  built "$tools/lettre/debug/lettre-client" \
    cargo build --quiet --locked --manifest-path "$here/clients/lettre/Cargo.toml" --target-dir "$tools/lettre"
  # Nothing but the standard library, and nothing newer than what is installed.
  GOCACHE=$tools/go-cache GOTOOLCHAIN=local CGO_ENABLED=0 built "$tools/net-smtp" \
    go build -o "$tools/net-smtp" "$here/clients/net_smtp.go"
  built "$tools/SmtpClient.exe" mcs -out:"$tools/SmtpClient.exe" "$here/clients/SmtpClient.cs"
}

node_modules() { needs node; [ -d "$tools/node_modules/$1" ] || { echo "$1 is not installed"; exit 77; }; }

# Large ones, which may have come from elsewhere.
elsewhere=()
command -v node >/dev/null || elsewhere+=(nodejs npm)
command -v javac >/dev/null || elsewhere+=(default-jdk-headless)
command -v go >/dev/null || elsewhere+=(golang-go)
install_debian openssl swaks curl msmtp s-nail sendemail php-cli libphp-phpmailer postfix dovecot-core git git-email mutt bsd-mailx \
  mailutils esmtp libmail-java ruby-mail libmime-lite-perl lua5.4 lua-socket tcllib mono-mcs "${elsewhere[@]}"
install_libraries
build_clients
