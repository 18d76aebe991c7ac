using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Commands;

public class CommandTests
{
    private static readonly Dictionary<string, Verb> Verbs = new()
    {
        ["EHLO"] = Verb.Ehlo,
        ["HELO"] = Verb.Helo,
        ["DATA"] = Verb.Data,
        ["BDAT"] = Verb.Bdat,
        ["RSET"] = Verb.Rset,
        ["NOOP"] = Verb.Noop,
        ["VRFY"] = Verb.Vrfy,
        ["EXPN"] = Verb.Expn,
        ["HELP"] = Verb.Help,
        ["QUIT"] = Verb.Quit,
        ["STARTTLS"] = Verb.StartTls,
        ["AUTH"] = Verb.Auth,
        ["ETRN"] = Verb.Etrn,
        ["TURN"] = Verb.Turn,
        ["SEND"] = Verb.Send,
        ["SOML"] = Verb.Send,
        ["SAML"] = Verb.Send,
        ["MAIL"] = Verb.Mail,
        ["RCPT"] = Verb.Rcpt,
        ["GET"] = Verb.HttpLike,
        ["PUT"] = Verb.HttpLike,
        ["POST"] = Verb.HttpLike,
        ["HEAD"] = Verb.HttpLike,
        ["DELETE"] = Verb.HttpLike,
        ["CONNECT"] = Verb.HttpLike,
        ["OPTIONS"] = Verb.HttpLike,
        ["PATCH"] = Verb.HttpLike,
        ["TRACE"] = Verb.HttpLike,
        ["PROXY"] = Verb.HttpLike,
    };

    [Fact]
    public void Only_the_letters_of_a_verb_in_either_case_make_the_verb()
    {
        foreach (var (word, verb) in Verbs)
        {
            var bytes = Encoding.ASCII.GetBytes(word);
            Assert.Equal(verb, Command.Parse(bytes).Verb);
            for (var i = 0; i < bytes.Length; i++)
            {
                for (var octet = 0; octet < 256; octet++)
                {
                    var changed = (byte[])bytes.Clone();
                    changed[i] = (byte)octet;
                    var text = Encoding.Latin1.GetString(changed).TrimEnd(' ', '\t').ToUpperInvariant();
                    var expected = octet < 0x80 && Verbs.TryGetValue(text.Split(' ', '\t')[0], out var known) ? known : Verb.Unknown;
                    Assert.Equal(expected, Command.Parse(changed).Verb);
                }
            }
        }
    }
}
