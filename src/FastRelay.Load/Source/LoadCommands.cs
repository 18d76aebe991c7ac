using System.Text;

namespace FastRelay.Load;

/// <summary>The source's commands, made once: what is sent a million times is only copied.</summary>
public sealed class LoadCommands
{
    private readonly byte[][] _recipients;

    /// <summary>Makes them.</summary>
    public LoadCommands(LoadOptions options)
    {
        Ehlo = Encoding.ASCII.GetBytes($"EHLO {options.HelloName}\r\n");
        Helo = Encoding.ASCII.GetBytes($"HELO {options.HelloName}\r\n");
        Mail = Encoding.ASCII.GetBytes($"MAIL FROM:<{options.From}>\r\n");
        Auth = options.AuthPlain is null ? [] : Encoding.ASCII.GetBytes($"AUTH PLAIN {options.AuthPlain}\r\n");
        Recipients = options.Recipients;
        IEnumerable<string> mailboxes = Recipients == 1
            ? options.To
            : Enumerable.Range(0, Recipients).Select(i => Numbered(options.To[i % options.To.Count], i));
        _recipients = [.. mailboxes.Select(m => Encoding.ASCII.GetBytes($"RCPT TO:<{m}>\r\n"))];
    }

    /// <summary>Recipients of each message.</summary>
    public int Recipients { get; }

    /// <summary>EHLO.</summary>
    public byte[] Ehlo { get; }

    /// <summary>HELO.</summary>
    public byte[] Helo { get; }

    /// <summary>MAIL.</summary>
    public byte[] Mail { get; }

    /// <summary>AUTH; empty when there is none.</summary>
    public byte[] Auth { get; }

    /// <summary>RCPT of one recipient of a message.</summary>
    public ReadOnlySpan<byte> Rcpt(long sequence, int index) =>
        _recipients[Recipients == 1 ? (int)(sequence % _recipients.Length) : index];

    /// <summary>user+7@domain.</summary>
    private static string Numbered(string mailbox, int number)
    {
        int at = mailbox.LastIndexOf('@');
        return at < 0 ? $"{mailbox}+{number}" : $"{mailbox[..at]}+{number}{mailbox[at..]}";
    }
}
