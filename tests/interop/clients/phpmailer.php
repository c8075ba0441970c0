<?php
// Arguments: PORT RECIPIENT TEXT-FILE ATTACHMENT
foreach (['Exception', 'SMTP', 'PHPMailer'] as $file) {
    require "/usr/share/php/libphp-phpmailer/src/$file.php";
}
[, $port, $to, $text, $attachment] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = '127.0.0.1';
$mail->Port = (int) $port;
$mail->CharSet = 'UTF-8';
$mail->setFrom('copier@printers.local', 'Copier');
$mail->addAddress($to);
$mail->Subject = 'scan';
$mail->Body = file_get_contents($text);
$mail->addAttachment($attachment, 'scan.pdf', 'base64', 'application/pdf');
$mail->send();
