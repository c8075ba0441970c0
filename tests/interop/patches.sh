# git send-email into the relay that `clients.sh` started: the patches that arrive must apply. Sourced by `run`.

# Nobody's own settings count.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

# repository: two commits on a first one, with what patches have trouble with: letters beyond ASCII, dots, blanks at line ends.
repository() {
  git init --quiet --initial-branch=main "$1"
  git -C "$1" config user.name "Adá Lovelace"
  git -C "$1" config user.email ada@example.com
  cp "$clients/text" "$1/text"
  git -C "$1" add text
  git -C "$1" commit --quiet --message "Begin"
  printf '.\n..\nfrom the beginning \nFrom here to Ærø\n-- \n' >>"$1/text"
  git -C "$1" commit --quiet --all --message "Go to Ærø" --message ".a line with a dot
From the dock."
  sed -i 's/^\.$/. ./' "$1/text"
  git -C "$1" commit --quiet --all --message "Widen the dots"
}

# in_order: of patches on standard input, one after the other by their Subject, which says [PATCH 1/2].
in_order() { xargs grep -m1 '^Subject: \[PATCH' | sort -t: -k3 | cut -d: -f1; }

log_of() { git -C "$1" log --reverse --format='%an %ae%n%B' begin..HEAD; }

git_send_email() {
  [ -x "$(git --exec-path)/git-send-email" ] || { echo "git send-email is not installed"; exit 77; }
  local origin=$clients/repository applied=$clients/applied
  repository "$origin"
  git -C "$origin" tag begin HEAD~2
  git -C "$origin" send-email --quiet --confirm=never --8bit-encoding=UTF-8 --smtp-server=127.0.0.1 --smtp-server-port="$port" \
    --from="$author <copier@printers.local>" --to=patches@example.com --cc=second@example.com begin
  all_arrived patches@example.com,second@example.com 2 --name "$author"

  git clone --quiet "$origin" "$applied"
  git -C "$applied" reset --quiet --hard begin
  git -C "$applied" config user.name Maintainer
  git -C "$applied" config user.email maintainer@example.com
  files_for patches@example.com,second@example.com | in_order | xargs git -C "$applied" am --quiet
  diff <(git -C "$origin" rev-parse 'HEAD~1^{tree}' 'HEAD^{tree}') <(git -C "$applied" rev-parse 'HEAD~1^{tree}' 'HEAD^{tree}')
  # The author stands in the body, since From names somebody else.
  diff <(log_of "$origin") <(log_of "$applied")
}

check "client: git send-email, two patches that apply" git_send_email
