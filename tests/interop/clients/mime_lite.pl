# Perl's MIME::Lite. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
use strict;
use warnings;
use Encode qw(decode_utf8 encode);
use MIME::Lite;

my ($port, $recipients, $text, $attachment, $subject, $name) = @ARGV;
sub word { return encode('MIME-Header', decode_utf8($_[0])) }

my $message = MIME::Lite->new(
    From    => word($name) . ' <copier@printers.local>',
    To      => $recipients,
    Subject => word($subject),
    Type    => 'multipart/mixed',
);
$message->attach(Type => 'text/plain; charset=utf-8', Path => $text, Encoding => 'quoted-printable');
$message->attach(Type => 'application/pdf', Path => $attachment, Filename => 'scan.pdf', Disposition => 'attachment');
$message->send('smtp', '127.0.0.1', Port => $port);
