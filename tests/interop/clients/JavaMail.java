// Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.Properties;
import javax.mail.Message;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;

public class JavaMail {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.host", "127.0.0.1");
        properties.put("mail.smtp.port", arguments[0]);
        MimeMessage message = new MimeMessage(Session.getInstance(properties));
        message.setFrom(new InternetAddress("copier@printers.local", arguments[5], "UTF-8"));
        message.setRecipients(Message.RecipientType.TO, InternetAddress.parse(arguments[1]));
        message.setSubject(arguments[4], "UTF-8");
        message.setSentDate(new Date());
        MimeBodyPart text = new MimeBodyPart();
        text.setText(Files.readString(Path.of(arguments[2])), "UTF-8");
        MimeBodyPart attachment = new MimeBodyPart();
        attachment.attachFile(arguments[3], "application/pdf", "base64");
        attachment.setFileName(arguments[4] + ".pdf");
        MimeMultipart parts = new MimeMultipart();
        parts.addBodyPart(text);
        parts.addBodyPart(attachment);
        message.setContent(parts);
        Transport.send(message);
    }
}
