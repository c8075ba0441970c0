<?php
// Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
foreach (['Exception', 'SMTP', 'PHPMailer'] as $file) {
    require "/usr/share/php/libphp-phpmailer/src/$file.php";
}
[, $port, $recipients, $text, $attachment, $subject, $name] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = '127.0.0.1';
$mail->Port = (int) $port;
$mail->CharSet = 'UTF-8';
$mail->setFrom('copier@printers.local', $name);
foreach (explode(',', $recipients) as $recipient) {
    $mail->addAddress($recipient);
}
$mail->Subject = $subject;
$mail->Body = file_get_contents($text);
$mail->addAttachment($attachment, 'scan.pdf', 'base64', 'application/pdf');
$mail->send();
