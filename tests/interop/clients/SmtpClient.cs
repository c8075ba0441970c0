// .NET's SmtpClient, as Mono has it. Arguments: PORT RECIPIENTS TEXT-FILE ATTACHMENT SUBJECT NAME
using System.IO;
using System.Net.Mail;
using System.Text;

class Program
{
    static void Main(string[] arguments)
    {
        var message = new MailMessage { From = new MailAddress("copier@printers.local", arguments[5], Encoding.UTF8) };
        message.To.Add(arguments[1]);
        message.Subject = arguments[4];
        message.SubjectEncoding = Encoding.UTF8;
        // Encoding.UTF8 would begin the text with a byte order mark.
        message.BodyEncoding = new UTF8Encoding(false);
        message.Body = File.ReadAllText(arguments[2]);
        message.Attachments.Add(new Attachment(arguments[3], "application/pdf"));
        new SmtpClient("127.0.0.1", int.Parse(arguments[0])).Send(message);
    }
}
