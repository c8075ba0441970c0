# Tcllib's mime and smtp. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
package require mime
package require smtp

lassign $argv port recipients text attachment subject name
proc word {value} { return [mime::word_encode utf-8 quoted-printable $value] }
set file [open $text]
fconfigure $file -encoding utf-8
# Its quoted-printable loses the line end before a dot that stands alone.
set plain [mime::initialize -canonical text/plain -param {charset utf-8} -encoding 8bit -string [read $file]]
set scan [mime::initialize -canonical application/pdf -header {Content-Disposition {attachment; filename=scan.pdf}} -file $attachment]
set message [mime::initialize -canonical multipart/mixed -parts [list $plain $scan]]
# It writes the boundary twice, and begins a line of the header with a semicolon in between: the header ends there for whoever reads it.
set refused [smtp::sendmessage $message -servers 127.0.0.1 -ports $port -originator copier@printers.local -recipients $recipients \
  -header [list From "[word $name] <copier@printers.local>"] -header [list To $recipients] -header [list Subject [word $subject]]]
if {[llength $refused] > 0} { error $refused }
