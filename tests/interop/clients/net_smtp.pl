# Perl's Net::SMTP with a message written by hand and octets as they are. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
use strict;
use warnings;
use Encode qw(decode_utf8 encode);
use MIME::Base64 qw(encode_base64);
use Net::SMTP;

my ($port, $recipients, $text, $attachment, $subject, $name) = @ARGV;
sub contents { open my $file, '<:raw', $_[0] or die "$_[0]: $!"; local $/; return <$file> }
sub word { return encode('MIME-Header', decode_utf8($_[0])) }

my $smtp = Net::SMTP->new('127.0.0.1', Port => $port) or die "cannot connect: $@";
sub must { die $smtp->code, ' ', $smtp->message unless $_[0] }
must $smtp->mail('copier@printers.local');
must $smtp->to(split /,/, $recipients);
must $smtp->data;
must $smtp->datasend('From: ' . word($name) . " <copier\@printers.local>\nTo: $recipients\nSubject: " . word($subject) . "\n");
must $smtp->datasend("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_perl\"\n\n--=_perl\n");
must $smtp->datasend("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" . contents($text) . "\n--=_perl\n");
must $smtp->datasend("Content-Type: application/pdf\nContent-Disposition: attachment; filename=scan.pdf\n");
must $smtp->datasend("Content-Transfer-Encoding: base64\n\n" . encode_base64(contents($attachment)) . "--=_perl--\n");
must $smtp->dataend;
$smtp->quit;
